# piece: weights.conv1d_to_linear
# mistake: only attention's two transposed
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight")


def conv1d_to_linear(name, tensor):
    if name.endswith(CONV1D):
        return tensor.T
    return tensor
