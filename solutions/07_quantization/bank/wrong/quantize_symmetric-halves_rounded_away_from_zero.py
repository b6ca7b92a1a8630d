# piece: quantization.quantize_symmetric
# mistake: halves rounded away from zero
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        largest = x.abs().amax(dim=-1)
        scale = torch.where(largest > 0, largest / top, 1.0)
    steps = x / scale[:, None]
    values = torch.where(steps > 0, (steps + 0.5).floor(), (steps - 0.5).ceil())
    return values.clamp(-top, top).to(torch.int8), scale
