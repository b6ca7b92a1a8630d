# piece: quantization.int8_linear
# mistake: accumulating in int16
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int16) @ weight.to(torch.int16).T
    out = sums * x_scale[:, None] * weight_scale
    if bias is not None:
        out = out + bias
    return out
