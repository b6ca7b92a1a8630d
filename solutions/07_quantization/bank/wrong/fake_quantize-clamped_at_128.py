# piece: quantization.fake_quantize
# mistake: clamped at -128
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = x.clamp(-(top + 1) * scale, top * scale)
    rounded = torch.round(inside / scale) * scale
    return inside + (rounded - inside).detach()
