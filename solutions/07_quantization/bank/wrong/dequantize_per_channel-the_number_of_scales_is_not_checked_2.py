# piece: quantization.dequantize_per_channel
# mistake: the number of scales is not checked
import torch


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    steps = values.to(torch.int32).transpose(axis, -1)
    if zero_point is not None:
        steps = steps - zero_point
    return (steps * scale).transpose(axis, -1)
