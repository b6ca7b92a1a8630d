# piece: quantization.fake_quantize
# mistake: nothing is rounded
import torch


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    rounded = torch.round(x / scale).clamp(-top, top) * scale
    return rounded + (x - rounded).detach()
