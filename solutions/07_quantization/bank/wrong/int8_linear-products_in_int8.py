# piece: quantization.int8_linear
# mistake: products in int8
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = (x.unsqueeze(1) * weight.unsqueeze(0)).sum(dim=-1, dtype=torch.int32)
    out = sums * x_scale[:, None] * weight_scale
    if bias is not None:
        out = out + bias
    return out
