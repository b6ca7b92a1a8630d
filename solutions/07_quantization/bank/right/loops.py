# piece: quantization.quantize_symmetric, quantization.quantize_asymmetric, quantization.dequantize_per_channel, quantization.int8_linear, quantization.fake_quantize
# One number at a time, in plain Python: round() takes halves to the even neighbour too.
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    rows, scales = [], []
    for i, row in enumerate(x.tolist()):
        width = max(abs(number) for number in row) / top if scale is None else scale[i].item()
        if width == 0:
            width = 1.0
        rows.append([max(-top, min(top, round(number / width))) for number in row])
        scales.append(width)
    return torch.tensor(rows, dtype=torch.int8), torch.tensor(scales)


def quantize_asymmetric(x, low=None, high=None):
    numbers = x.flatten().tolist()
    if low is not None and high is not None and high < low:
        raise ValueError("no number lies between %s and %s" % (low, high))
    low = min(0.0, min(numbers) if low is None else low)
    high = max(0.0, max(numbers) if high is None else high)
    scale = (high - low) / 255 if high > low else 1.0
    zero_point = -128 - round(low / scale)
    values = [max(-128, min(127, round(number / scale) + zero_point)) for number in numbers]
    return torch.tensor(values, dtype=torch.int8).reshape(x.shape), scale, zero_point


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    channels = values.unbind(axis)
    if len(channels) != len(scale):
        raise ValueError(f"there are {len(channels)} channels and {len(scale)} scales")
    out = []
    for i, channel in enumerate(channels):
        zero = 0 if zero_point is None else int(zero_point[i])
        out.append((channel.to(torch.int64) - zero) * scale[i])
    return torch.stack(out, dim=axis)


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    out = torch.zeros(len(x), len(weight))
    for t, row in enumerate(x.tolist()):
        for o, column in enumerate(weight.tolist()):
            total = sum(a * b for a, b in zip(row, column))
            out[t, o] = total * x_scale[t] * weight_scale[o] + (0 if bias is None else bias[o])
    return out


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    flat = []
    for number in x.flatten():
        steps = number.item() / scale
        if steps > top:
            flat.append(0 * number + top * scale)
        elif steps < -top:
            flat.append(0 * number - top * scale)
        else:
            flat.append(number + (round(steps) * scale - number.item()))
    return torch.stack(flat).reshape(x.shape)
