# piece: quantization.fake_quantize
# mistake: gradient only beyond the range
import torch


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, top):
        steps = torch.round(x / scale)
        ctx.save_for_backward(steps.abs() > top)
        return steps.clamp(-top, top) * scale

    @staticmethod
    def backward(ctx, gradient):
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None


def fake_quantize(x, scale, bits=8):
    return Rounded.apply(x, scale, 2 ** (bits - 1) - 1)
