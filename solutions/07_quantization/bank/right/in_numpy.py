# piece: quantization.quantize_symmetric, quantization.quantize_asymmetric, quantization.dequantize_per_channel, quantization.int8_linear, quantization.fake_quantize
# numpy in float64, tensors at the end; the gradient by a mask on x - x.detach().
import numpy as np
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = (1 << (bits - 1)) - 1
    numbers = x.numpy().astype(np.float64)
    if scale is None:
        step = np.maximum(numbers.max(axis=1), -numbers.min(axis=1))
        step = np.where(step == 0, 3.0, step / top)
    else:
        step = scale.numpy()
    values = np.clip(np.rint(numbers / step[:, np.newaxis]), -top, top)
    return [torch.tensor(values.astype(np.int8)), torch.tensor(step)]


def quantize_asymmetric(x, low=None, high=None):
    if low is not None and high is not None and high - low < 0:
        raise ValueError("high " + repr(high) + " lies below low " + repr(low))
    x = x.numpy()
    low = np.float64(np.min(x) if low is None else low).clip(max=0)
    high = np.float64(np.max(x) if high is None else high).clip(min=0)
    scale = (high - low) / 255
    if scale == 0:
        return torch.zeros(x.shape, dtype=torch.int8) - 128, 1, -128
    zero_point = np.rint(-128 - low / scale)
    values = np.rint(x / scale) + zero_point
    return torch.from_numpy(np.clip(values, -128, 127).astype("int8")), scale, zero_point


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    values, scale = values.numpy().astype(float), scale.numpy()
    if values.shape[axis] != scale.size:
        raise ValueError("%d channels but %d scales" % (values.shape[axis], scale.size))
    others = [i for i in range(values.ndim) if i != axis % values.ndim]
    if zero_point is not None:
        values = values - np.expand_dims(zero_point.numpy(), others)
    return torch.from_numpy(np.float32(values * np.expand_dims(scale, others)))


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = x.numpy().astype(np.int64).dot(weight.numpy().astype(np.int64).transpose())
    out = sums * np.outer(x_scale.numpy(), weight_scale.numpy())
    if bias is not None:
        out += bias.numpy()
    return torch.from_numpy(out.astype(np.float32))


def fake_quantize(x, scale, bits=8):
    top = 2**bits // 2 - 1
    steps = torch.round(x.detach() / scale)
    inside = (steps >= -top) * (steps <= top)
    return torch.clip(steps, -top, top) * scale + (x - x.detach()) * inside
