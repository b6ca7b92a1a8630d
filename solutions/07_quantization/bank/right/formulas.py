# piece: quantization.quantize_symmetric, quantization.quantize_asymmetric, quantization.dequantize_per_channel, quantization.int8_linear, quantization.fake_quantize
# An autograd.Function, broadcasting and einsum.
import torch


class Rounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, top):
        ctx.save_for_backward((x / scale).round().abs() <= top)
        return scale * (x / scale).round().clamp(-top, top)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.where(ctx.saved_tensors[0], 0), None, None


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        scale = torch.maximum(x.max(1).values, -x.min(1).values) / top
        scale = scale + (scale == 0)
    steps = torch.einsum("rc,r->rc", x, scale.reciprocal())
    return steps.round_().clamp_(min=-top, max=top).char(), scale


def quantize_asymmetric(x, low=None, high=None):
    low_given, high_given = low is not None, high is not None
    if low_given and high_given and not low <= high:
        raise ValueError(f"empty range: from {low} to {high}")
    low, high = min(low if low_given else float(x.min()), 0), max(high if high_given else float(x.max()), 0)
    if low == high:
        return torch.full(x.shape, -128, dtype=torch.int8), 1.0, -128
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    inside = x.clamp(low - scale, high + scale)
    return (torch.round(inside / scale) + zero).clamp(-128, 127).char(), scale, zero


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    n, axis = values.shape[axis], axis % values.ndim
    if n != len(scale):
        raise ValueError(f"{n} channels along axis {axis}, {len(scale)} scales")
    behind = (1,) * (values.ndim - axis - 1)
    offset = torch.zeros(n) if zero_point is None else zero_point.float() * scale
    return values.float() * scale.view(n, *behind) - offset.view(n, *behind)


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    products = x[:, None, :].to(torch.int32) * weight[None]
    out = products.sum(-1) * x_scale.view(-1, 1)
    out *= weight_scale.view(1, -1)
    return out + (0 if bias is None else bias)


def fake_quantize(x, scale, bits=8):
    return Rounding.apply(x, scale, (1 << bits - 1) - 1)
