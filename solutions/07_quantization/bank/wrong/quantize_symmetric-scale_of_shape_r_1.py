# piece: quantization.quantize_symmetric
# mistake: scale of shape (R, 1)
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        scale = x.abs().amax(dim=-1, keepdim=True) / top
        scale[scale == 0] = 1
    else:
        scale = scale[:, None]
    return torch.round(x / scale).clamp(-top, top).to(torch.int8), scale
