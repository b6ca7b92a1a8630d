# piece: weights.conv1d_to_linear
# mistake: only the MLP's two transposed
CONV1D = ("mlp.c_fc.weight", "mlp.c_proj.weight")


def conv1d_to_linear(name, tensor):
    if name.endswith(CONV1D):
        return tensor.T
    return tensor
