# piece: weights.conv1d_to_linear
# mistake: reshaped instead of transposed
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def conv1d_to_linear(name, tensor):
    if name.endswith(CONV1D):
        return tensor.reshape(tensor.shape[1], tensor.shape[0])
    return tensor
