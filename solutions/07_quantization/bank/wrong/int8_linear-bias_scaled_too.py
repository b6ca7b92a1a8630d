# piece: quantization.int8_linear
# mistake: bias scaled too
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    if bias is not None:
        sums = sums + bias
    return sums * x_scale[:, None] * weight_scale
