# piece: quantization.fake_quantize
# mistake: gradient zero through round
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = x.clamp(-top * scale, top * scale)
    rounded = torch.round(inside / scale) * scale
    return rounded
