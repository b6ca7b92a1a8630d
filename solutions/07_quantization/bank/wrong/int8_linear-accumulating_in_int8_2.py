# piece: quantization.int8_linear
# mistake: accumulating in int8
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = torch.matmul(x, weight.T).to(torch.int32)
    out = sums * x_scale[:, None] * weight_scale
    if bias is not None:
        out = out + bias
    return out
