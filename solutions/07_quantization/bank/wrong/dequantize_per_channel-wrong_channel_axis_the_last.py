# piece: quantization.dequantize_per_channel
# mistake: wrong channel axis: the last
def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    if len(scale) != values.shape[axis]:
        raise ValueError(f"{len(scale)} scales for an axis of {values.shape[axis]}")
    steps = values.int() if zero_point is None else values.int() - zero_point
    return steps * scale
