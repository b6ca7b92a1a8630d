# piece: quantization.int8_linear
# mistake: the first row's scale for all
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    out = sums * x_scale[0] * weight_scale
    if bias is not None:
        out = out + bias
    return out
