# piece: weights.conv1d_to_linear
# mistake: both c_proj forgotten
CONV1D = ("attn.c_attn.weight", "mlp.c_fc.weight")


def conv1d_to_linear(name, tensor):
    if name.endswith(CONV1D):
        return tensor.T
    return tensor
