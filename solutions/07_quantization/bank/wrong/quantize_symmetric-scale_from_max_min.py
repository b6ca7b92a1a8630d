# piece: quantization.quantize_symmetric
# mistake: scale from max - min
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        largest = (x.amax(dim=-1) - x.amin(dim=-1)) / 2
        scale = torch.where(largest > 0, largest / top, 1.0)
    values = torch.round(x / scale[:, None])
    values = values.clamp(-top, top)
    return values.to(torch.int8), scale
