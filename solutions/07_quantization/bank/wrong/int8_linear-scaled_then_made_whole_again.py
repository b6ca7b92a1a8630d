# piece: quantization.int8_linear
# mistake: scaled, then made whole again
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    x = (x * x_scale[:, None]).to(torch.int32)
    weight = (weight * weight_scale[:, None]).to(torch.int32)
    out = (x @ weight.T).float()
    return out if bias is None else out + bias
