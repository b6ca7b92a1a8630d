# piece: quantization.quantize_symmetric
# mistake: all-zero row divides by zero
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        largest = x.abs().amax(dim=-1)
        scale = largest / top
    values = torch.round(x / scale[:, None])
    values = values.clamp(-top, top)
    return values.to(torch.int8), scale
