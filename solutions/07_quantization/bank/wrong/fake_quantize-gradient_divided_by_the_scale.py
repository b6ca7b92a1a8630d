# piece: quantization.fake_quantize
# mistake: gradient divided by the scale
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = (x / scale).clamp(-top, top)
    rounded = torch.round(inside)
    return inside + (rounded * scale - inside).detach()
