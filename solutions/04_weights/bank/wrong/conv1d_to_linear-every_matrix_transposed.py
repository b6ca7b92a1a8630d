# piece: weights.conv1d_to_linear
# mistake: every matrix transposed
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def conv1d_to_linear(name, tensor):
    if tensor.dim() == 2:
        return tensor.T
    return tensor
