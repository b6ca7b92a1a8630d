# piece: quantization.fake_quantize
# mistake: cut off from the gradient
import torch


@torch.no_grad()
def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    return torch.round(x / scale).clamp(-top, top) * scale
