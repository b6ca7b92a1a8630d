"""Numbers rounded to few bits: by hand, against PyTorch's and torchao's own functions, and what must be refused."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2lab import rounding
from gpt2lab.quantization import (dequantize, fake_quantize, int8_linear, int8_matmul, kernel_fault, kernels, pack_nibbles, quantize_tensor,
                                  unpack_nibbles)

WAYS = [{}, {"axis": 0}, {"axis": 1}, {"axis": -1}, {"group_size": 4}, {"group_size": 12}, {"group_size": 1}]


def numbers(rows: int = 6, columns: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * torch.logspace(-2, 1, rows)[:, None]


@pytest.fixture
def without_kernels(monkeypatch):
    """A processor without any of torch's integer kernels."""
    def absent(*_):
        raise RuntimeError("not implemented for this processor")
    for name in ("_int_mm", "_weight_int8pack_mm", "_convert_weight_to_int4pack_for_cpu"):
        monkeypatch.setattr(torch, name, absent)
    kernel_fault.cache_clear()
    yield
    kernel_fault.cache_clear()


# ---------------------------------------------------------------- by hand

def test_a_row_by_hand():
    q = quantize_tensor(torch.tensor([1.27, -0.02, 0.635, -1.27, 0.005, 0.015]))
    assert q.scale.item() == pytest.approx(0.01) and q.zero_point.item() == 0
    assert q.values.dtype == torch.int8 and q.values[:4].tolist() == [127, -2, 64, -127]


def test_half_goes_to_the_even_neighbour():
    assert quantize_tensor(torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -1.5])).values.tolist() == [127, 0, 2, 2, 0, -2]


def test_the_zero_point_by_hand():
    q = quantize_tensor(torch.tensor([-1.0, 0.0, 4.1]), symmetric=False)
    assert (q.scale.item(), q.zero_point.item()) == (pytest.approx(0.02), -78)
    assert q.values.tolist() == [-128, -78, 127]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_range_without_zero_is_widened_to_it(sign):
    q = quantize_tensor(sign * torch.tensor([3.0, 5.0]), symmetric=False)
    assert q.zero_point.item() == (-128 if sign > 0 else 127)
    assert q.scale.item() == pytest.approx(5 / 255)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_what_is_all_zero_stays_zero(how, symmetric):
    x = numbers()
    x[2] = 0
    q = quantize_tensor(x, symmetric=symmetric, **how)
    assert q.scale.isfinite().all() and (q.scale > 0).all()
    assert (dequantize(q)[2] == 0).all()


@pytest.mark.parametrize("how, shape", [({}, ()), ({"axis": 0}, (6, 1)), ({"axis": 1}, (1, 12)), ({"group_size": 4}, (6, 3))])
def test_scales_have_the_shape_that_is_promised(how, shape):
    q = quantize_tensor(numbers(), **how)
    assert q.scale.shape == q.zero_point.shape == shape
    assert (q.scale.dtype, q.zero_point.dtype) == (torch.float32, torch.int32)


@pytest.mark.parametrize("how", [{"axis": 0}, {"group_size": 4}])
@pytest.mark.parametrize("symmetric", [True, False])
def test_each_part_is_quantized_as_if_alone(how, symmetric):
    x = numbers()
    whole = dequantize(quantize_tensor(x, 4, symmetric, **how))
    parts = x.split(1) if "axis" in how else [piece for row in x.split(1) for piece in row.split(4, -1)]
    alone = [dequantize(quantize_tensor(part, 4, symmetric)) for part in parts]
    expected = torch.cat(alone) if "axis" in how else torch.cat(alone, -1).view_as(x)
    torch.testing.assert_close(whole, expected, rtol=0, atol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.booleans(), st.sampled_from(WAYS), st.integers(0, 1000), st.floats(-30, 30))
def test_nothing_moves_by_more_than_half_a_step(bits, symmetric, how, seed, exponent):
    x = numbers(seed=seed) * 10.0 ** exponent
    q = quantize_tensor(x, bits, symmetric, **how)
    low, high = -2 ** (bits - 1), 2 ** (bits - 1) - 1
    assert q.values.min() >= low + symmetric and q.values.max() <= high
    step = rounding._spread(q.scale, x)
    slack = 0.5 if symmetric else 1.0                      # the rounding of the zero point can push an end over the border
    assert ((dequantize(q) - x).abs() <= (slack + 1e-4) * step).all()


def test_the_input_is_left_alone_and_a_view_is_as_good():
    x = numbers()
    before = x.clone()
    assert torch.equal(quantize_tensor(x.T, axis=1).values, quantize_tensor(x, axis=0).values.T)
    assert torch.equal(x, before)


# ---------------------------------------------------------------- against the libraries

@pytest.mark.parametrize("bits", [8, 4, 2])
def test_as_pytorch_rounds_a_tensor(bits):
    x, end = numbers(40, 60), 2 ** (bits - 1)
    for symmetric in (True, False):
        q = quantize_tensor(x, bits, symmetric)
        theirs = torch.fake_quantize_per_tensor_affine(x, q.scale, q.zero_point, -end + symmetric, end - 1)
        torch.testing.assert_close(dequantize(q), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_as_pytorch_rounds_channels(axis):
    x = numbers(40, 60)
    for symmetric in (True, False):
        q = quantize_tensor(x, axis=axis, symmetric=symmetric)
        theirs = torch.fake_quantize_per_channel_affine(x, q.scale.flatten(), q.zero_point.flatten(), axis, -128 + symmetric, 127)
        torch.testing.assert_close(dequantize(q), theirs, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_as_pytorch_quantizes_channels():
    x = numbers(40, 60)
    q = quantize_tensor(x, axis=0)
    theirs = torch.quantize_per_channel(x, q.scale[:, 0], q.zero_point[:, 0], 0, torch.qint8)
    assert torch.equal(theirs.int_repr(), q.values)
    torch.testing.assert_close(theirs.dequantize(), dequantize(q), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("symmetric", [True, False])
def test_scales_and_zero_points_as_torch_ao_observes_them(symmetric):
    from torch.ao.quantization.observer import PerChannelMinMaxObserver
    scheme = torch.per_channel_symmetric if symmetric else torch.per_channel_affine
    observer = PerChannelMinMaxObserver(0, torch.qint8, scheme, quant_min=-127 if symmetric else -128, quant_max=127)
    x = numbers(40, 60)
    observer(x)
    scale, zero_point = observer.calculate_qparams()
    q = quantize_tensor(x, axis=0, symmetric=symmetric)
    # with quant_min -127 their step is 2 * max / 254
    torch.testing.assert_close(q.scale[:, 0], scale, rtol=1e-6, atol=0)
    assert torch.equal(q.zero_point[:, 0], zero_point.int())


@pytest.mark.parametrize("bits, symmetric, block", [(8, True, (1, 64)), (8, False, (40, 64)), (4, False, (1, 32)), (4, True, (1, 16))])
def test_values_as_torchao_chooses_them(bits, symmetric, block):
    primitives = pytest.importorskip("torchao.quantization.quant_primitives", reason="torchao is not installed: pip install torchao")
    x, end = numbers(40, 64), 2 ** (bits - 1)
    mapping = primitives.MappingType.SYMMETRIC if symmetric else primitives.MappingType.ASYMMETRIC
    bounds = dict(quant_min=-end + symmetric, quant_max=end - 1)
    scale, zero_point = primitives.choose_qparams_affine(x, mapping, block, torch.int8, **bounds, eps=1e-12, scale_dtype=torch.float32,
                                                         zero_point_dtype=torch.int32)
    theirs = primitives.quantize_affine(x, block, scale, zero_point, torch.int8, **bounds)
    q = quantize_tensor(x, bits, symmetric, axis=0 if block == (1, 64) else None, group_size=block[1] if block[1] < 64 else None)
    assert ((theirs - q.values).abs() <= 1).all() and (theirs != q.values).float().mean() < 1e-3         # a tie may fall the other way
    torch.testing.assert_close(q.scale.flatten(), scale.flatten(), rtol=1e-5, atol=0)


# ---------------------------------------------------------------- integer products

@pytest.mark.parametrize("M, N, K", [(1, 16, 64), (1, 50, 24), (3, 7, 5), (9, 64, 3072), (40, 31, 96)])
def test_integer_products_are_exact(M, N, K):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(-128, 128, (rows, K), dtype=torch.int8, generator=generator) for rows in (M, N))
    assert torch.equal(int8_matmul(a, b).double(), (a.double() @ b.double().T))


def test_the_largest_sums_do_not_overflow():
    a, b = torch.full((1, 4096), 127, dtype=torch.int8), torch.full((16, 4096), -127, dtype=torch.int8)
    assert (int8_matmul(a, b) == -127 * 127 * 4096).all()


def test_a_linear_layer_in_integers_is_the_layer_of_the_rounded_numbers():
    x, weight, bias = numbers(5, 24), numbers(7, 24, seed=1), numbers(1, 7, seed=2)[0]
    q_x, q_w = quantize_tensor(x, axis=0), quantize_tensor(weight, axis=0)
    out = int8_linear(q_x.values, q_x.scale[:, 0], q_w.values, q_w.scale[:, 0], bias)
    torch.testing.assert_close(out, F.linear(dequantize(q_x), dequantize(q_w), bias), rtol=1e-5, atol=1e-4)


def test_without_the_kernel_the_sums_are_the_same(without_kernels):
    a, b = numbers(5, 24).round().clamp(-128, 127).to(torch.int8), numbers(7, 24, 1).round().clamp(-128, 127).to(torch.int8)
    assert torch.equal(int8_matmul(a, b).double(), a.double() @ b.double().T)
    said = kernels("cpu")
    assert all("not implemented for this processor" in said[s] and "smaller, not faster" in said[s] for s in ("int8-weight", "int8-dynamic", "int4-group"))


def test_a_kernel_that_overflows_is_found_out(monkeypatch):
    """As on processors that add pairs of products in 16 bits: small numbers come out right, large ones do not."""
    right = torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: right(a, b).clamp(-32768, 32767))
    kernel_fault.cache_clear()
    try:
        assert "wrong" in kernel_fault("int8 x int8", "cpu")
        assert int8_matmul(torch.full((1, 64), 127, dtype=torch.int8), torch.full((1, 64), 127, dtype=torch.int8)).item() == 127 * 127 * 64
    finally:
        kernel_fault.cache_clear()


@pytest.mark.gpu
@pytest.mark.parametrize("M, N, K", [(1, 50, 24), (3, 7, 5), (40, 31, 96)])
def test_integer_products_on_a_gpu(M, N, K):
    a, b = (torch.randint(-128, 128, (rows, K), dtype=torch.int8, device="cuda") for rows in (M, N))
    assert torch.equal(int8_matmul(a, b).double(), (a.double() @ b.double().T))


@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 99))
def test_two_numbers_share_a_byte_and_come_back(rows, pairs, seed):
    values = torch.randint(16, (rows, 2 * pairs), generator=torch.Generator().manual_seed(seed))
    packed = pack_nibbles(values)
    assert packed.shape == (rows, pairs) and torch.equal(unpack_nibbles(packed).long(), values)
    assert packed[0, 0] == values[0, 0] + 16 * values[0, 1]


# ---------------------------------------------------------------- straight through

@pytest.mark.parametrize("how", WAYS)
def test_the_gradient_goes_straight_through(how):
    x, weights = numbers().requires_grad_(), numbers(seed=1)
    out = fake_quantize(x, 4, symmetric=False, **how)
    torch.testing.assert_close(out, dequantize(quantize_tensor(x, 4, symmetric=False, **how)), rtol=0, atol=1e-6)
    (out * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)


# ---------------------------------------------------------------- refused

@pytest.mark.parametrize("x, how, words", [
    (torch.tensor([1.0, float("nan")]), {}, "1 of 2 numbers are NaN"),
    (torch.tensor([1.0, float("inf")]), {}, "NaN or infinite"),
    (torch.ones(3, dtype=torch.int64), {}, "torch.int64"),
    (torch.ones(0), {}, "at least one"),
    (torch.ones(3), {"bits": 16}, "bits=16"),
    (torch.ones(3), {"bits": 1}, "bits=1"),
    (torch.ones(3), {"bits": True}, "bits=True"),
    (torch.ones(3, 4), {"axis": 2}, "axis=2"),
    (torch.ones(3, 4), {"group_size": 3}, "group_size=3 does not divide rows of 4"),
    (torch.ones(3, 4), {"group_size": 0}, "group_size=0"),
    (torch.ones(3, 4), {"group_size": 2, "axis": 0}, "choose one of the two"),
])
def test_what_cannot_be_quantized_is_refused(x, how, words):
    with pytest.raises(ValueError, match=words):
        quantize_tensor(x, **how)


@pytest.mark.parametrize("a, b", [(torch.ones(2, 4), torch.ones(3, 4, dtype=torch.int8)), (torch.ones(2, 4, dtype=torch.int8), torch.ones(3, 4)),
                                  (torch.ones(2, 4, dtype=torch.int8), torch.ones(3, 5, dtype=torch.int8))])
def test_products_of_other_numbers_are_refused(a, b):
    with pytest.raises(ValueError, match="pass int8 as quantize_tensor makes it"):
        int8_matmul(a, b)


@pytest.mark.parametrize("values", [torch.ones(2, 3), torch.full((2, 2), 16), torch.full((2, 2), -1)])
def test_what_does_not_fit_into_half_a_byte_is_refused(values):
    with pytest.raises(ValueError, match="two share a byte"):
        pack_nibbles(values)
