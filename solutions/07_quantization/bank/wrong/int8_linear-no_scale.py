# piece: quantization.int8_linear
# mistake: no scale
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    out = sums.float()
    if bias is not None:
        out = out + bias
    return out
