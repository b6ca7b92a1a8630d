# piece: quantization.int8_linear
# mistake: rounded at the end
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.to(torch.int32) @ weight.to(torch.int32).T
    out = torch.round(sums * x_scale[:, None] * weight_scale)
    if bias is not None:
        out = out + bias
    return out
