# piece: quantization.quantize_asymmetric
# mistake: zero point truncated
import torch


def quantize_asymmetric(x, low=None, high=None):
    if low is not None and high is not None and low > high:
        raise ValueError(f"low={low} is above high={high}")
    low = x.min().item() if low is None else low
    high = x.max().item() if high is None else high
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    zero_point = -128 + int(-low / scale)
    values = torch.round(x / scale) + zero_point
    values = values.clamp(-128, 127)
    return values.to(torch.int8), scale, zero_point
