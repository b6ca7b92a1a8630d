# piece: quantization.fake_quantize
# mistake: whole numbers returned
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    inside = x.clamp(-top * scale, top * scale)
    steps = torch.round(inside / scale)
    return inside + (steps - inside).detach()
