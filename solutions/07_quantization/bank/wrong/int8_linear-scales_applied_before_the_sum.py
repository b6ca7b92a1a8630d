# piece: quantization.int8_linear
# mistake: scales applied before the sum
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    x = x.float() * x_scale[:, None]
    weight = weight.float() * weight_scale[:, None]
    return torch.nn.functional.linear(x, weight, bias)
