# piece: quantization.fake_quantize
# mistake: truncation for rounding
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = x.clamp(-top * scale, top * scale)
    rounded = torch.trunc(inside / scale) * scale
    return inside + (rounded - inside).detach()
