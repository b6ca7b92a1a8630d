# piece: quantization.fake_quantize
# mistake: the sign bit forgotten
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** bits - 1
    inside = x.clamp(-top * scale, top * scale)
    rounded = torch.round(inside / scale) * scale
    return inside + (rounded - inside).detach()
