# piece: quantization.int8_linear
# mistake: only the scale of the weight
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    out = sums * weight_scale
    if bias is not None:
        out = out + bias
    return out
