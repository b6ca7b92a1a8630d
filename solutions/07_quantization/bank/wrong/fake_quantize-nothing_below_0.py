# piece: quantization.fake_quantize
# mistake: nothing below 0
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = x.clamp(0, top * scale)
    rounded = torch.round(inside / scale) * scale
    return inside + (rounded - inside).detach()
