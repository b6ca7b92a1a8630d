# piece: quantization.dequantize_per_channel
# mistake: the number of scales is not checked
import torch


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    shape = [1] * values.dim()
    shape[axis] = -1
    steps = values.to(torch.int32)
    if zero_point is not None:
        steps = steps - zero_point.reshape(shape)
    return steps * scale.reshape(shape)
