# piece: quantization.quantize_symmetric
# mistake: 1 / scale returned
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        largest = x.abs().amax(dim=-1)
        factor = torch.where(largest > 0, top / largest, 1.0)
    else:
        factor = 1 / scale
    values = torch.round(x * factor[:, None]).clamp(-top, top)
    return values.to(torch.int8), factor
