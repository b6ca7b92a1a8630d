# piece: quantization.int8_linear
# mistake: accumulating in int8
def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x @ weight.T
    out = sums * x_scale[:, None] * weight_scale
    if bias is not None:
        out = out + bias
    return out
