# piece: quantization.int8_linear
# mistake: the first output's scale for all
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    out = sums * x_scale[:, None] * weight_scale[0]
    if bias is not None:
        out = out + bias
    return out
