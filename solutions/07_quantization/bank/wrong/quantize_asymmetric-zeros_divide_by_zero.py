# piece: quantization.quantize_asymmetric
# mistake: zeros divide by zero
import torch


def quantize_asymmetric(x, low=None, high=None):
    if low is not None and high is not None and low > high:
        raise ValueError(f"low={low} is above high={high}")
    low = x.min() if low is None else torch.tensor(low)
    high = x.max() if high is None else torch.tensor(high)
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) / 255
    zero_point = -128 - torch.round(low / scale)
    values = (torch.round(x / scale) + zero_point).clamp(-128, 127)
    return values.to(torch.int8), scale, zero_point
