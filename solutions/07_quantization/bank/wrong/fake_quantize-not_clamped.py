# piece: quantization.fake_quantize
# mistake: not clamped
import torch


def fake_quantize(x, scale, bits=8):
    rounded = torch.round(x / scale) * scale
    return x + (rounded - x).detach()
