# piece: quantization.dequantize_per_channel
# mistake: zero point subtracted after scaling
def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    if len(scale) != values.shape[axis]:
        raise ValueError(f"{len(scale)} scales for an axis of {values.shape[axis]}")
    out = (values.movedim(axis, -1) * scale).movedim(-1, axis)
    if zero_point is not None:
        out = (out.movedim(axis, -1) - zero_point).movedim(-1, axis)
    return out
