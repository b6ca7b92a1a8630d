# piece: weights.conv1d_to_linear
# mistake: square c_proj not transposed
def conv1d_to_linear(name, tensor):
    wide = "c_attn" in name or "c_fc" in name
    if not name.endswith("weight") or not (wide or "c_proj" in name):
        return tensor
    rows, columns = tensor.shape
    file_order = columns > rows if wide else rows > columns
    return tensor.T if file_order else tensor
