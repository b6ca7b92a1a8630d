# piece: quantization.quantize_symmetric, quantization.quantize_asymmetric, quantization.dequantize_per_channel, quantization.int8_linear, quantization.fake_quantize
# PyTorch's own: fake_quantize_per_*_affine, _int_mm, and their rules for gradients.
import torch


def quantize_symmetric(x, bits=8, scale=None):
    top = 2 ** (bits - 1) - 1
    if scale is None:
        scale = torch.linalg.vector_norm(x, ord=float("inf"), dim=1) / top
        scale = scale.masked_fill(scale == 0, 1e-8)
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(x, scale, zeros, 0, -top, top)
    return (rounded / scale.unsqueeze(1)).round().to(torch.int8), scale


def quantize_asymmetric(x, low=None, high=None):
    if None not in (low, high) and low > high:
        raise ValueError(f"{low} > {high}")
    ends = torch.stack([x.min() if low is None else torch.tensor(low), x.max() if high is None else torch.tensor(high), torch.tensor(0.0)])
    low, high = ends.aminmax()
    scale = (high - low).div(255)
    if scale == 0:
        scale = torch.ones(())
    zero_point = (-128 - torch.round(low / scale)).to(torch.int8)
    values = torch.clamp(torch.round(x / scale).to(torch.int32) + zero_point, -128, 127)
    return values.to(torch.int8), scale, zero_point


def dequantize_per_channel(values, scale, zero_point=None, axis=0):
    if values.size(axis) != scale.numel():
        raise ValueError(f"axis {axis} has {values.size(axis)} channels, scale has {scale.numel()}")
    moved = values.float().movedim(axis, -1)
    if zero_point is not None:
        moved = moved - zero_point
    return moved.mul(scale).movedim(-1, axis)


def int8_linear(x, x_scale, weight, weight_scale, bias=None):
    sums = torch._int_mm(x, weight.t().contiguous())
    out = sums * torch.outer(x_scale, weight_scale)
    return out if bias is None else out.add_(bias)


def fake_quantize(x, scale, bits=8):
    top = 2 ** (bits - 1) - 1
    return torch.fake_quantize_per_tensor_affine(x, scale, 0, -top, top)
