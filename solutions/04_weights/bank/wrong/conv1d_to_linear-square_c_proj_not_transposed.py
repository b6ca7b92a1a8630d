# piece: weights.conv1d_to_linear
# mistake: square c_proj not transposed
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def conv1d_to_linear(name, tensor):
    if name.endswith(CONV1D) and tensor.shape[0] != tensor.shape[1]:
        return tensor.T
    return tensor
