# piece: quantization.int8_linear
# mistake: whole numbers multiplied as floats
import torch


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = torch.einsum("ti,oi->to", x.double(), weight.double())
    out = sums * x_scale[:, None] * weight_scale
    if bias is not None:
        out = out + bias
    return out.float()
