# piece: quantization.quantize_asymmetric
# mistake: 0 to 255
import torch


def quantize_asymmetric(x, low=None, high=None):
    if low is not None and high is not None and low > high:
        raise ValueError(f"low={low} is above high={high}")
    low = x.min().item() if low is None else low
    high = x.max().item() if high is None else high
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    zero_point = -round(low / scale)
    values = torch.round(x / scale) + zero_point
    values = values.clamp(0, 255)
    return values.to(torch.uint8), scale, zero_point
