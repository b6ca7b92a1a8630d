# piece: quantization.dequantize_per_channel
# mistake: rounded again
import torch


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    if len(scale) != values.shape[axis]:
        raise ValueError(f"{len(scale)} scales for an axis of {values.shape[axis]}")
    shape = [1] * values.dim()
    shape[axis] = -1
    steps = values.to(torch.int32)
    if zero_point is not None:
        steps = steps - zero_point.reshape(shape)
    return torch.round(steps * scale.reshape(shape))
