# piece: quantization.fake_quantize
# mistake: bits ignored
import torch


def fake_quantize(x, scale, bits=8):
    top = 127
    inside = x.clamp(-top * scale, top * scale)
    rounded = torch.round(inside / scale) * scale
    return inside + (rounded - inside).detach()
