# piece: quantization.quantize_symmetric
# mistake: halves rounded up
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        largest = x.abs().amax(dim=-1)
        scale = torch.where(largest > 0, largest / top, 1.0)
    values = torch.floor(x / scale[:, None] + 0.5)
    values = values.clamp(-top, top)
    return values.to(torch.int8), scale
