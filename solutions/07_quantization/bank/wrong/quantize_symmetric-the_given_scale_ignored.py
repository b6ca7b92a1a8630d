# piece: quantization.quantize_symmetric
# mistake: the given scale ignored
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    largest = x.abs().amax(dim=-1)
    scale = torch.where(largest > 0, largest / top, 1.0)
    return torch.round(x / scale[:, None]).clamp(-top, top).to(torch.int8), scale
