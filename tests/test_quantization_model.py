"""Whole models in small formats: close to float32, at one with themselves, and refused when they cannot be."""
from __future__ import annotations

import copy
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gpt2lab import quantized_matrices
from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.fast_decoder import FastDecoder
from gpt2lab.lora import add_lora
from gpt2lab.quantization import (SCHEMES, FakeQuantLinear, Int8DynamicMatrix, QuantizedGPT2, QuantizedLinear, QuantizedTable, calibrate,
                                  convert_qat, freeze_ranges, kernel_fault, kernels, model_bytes, prepare_qat, quantize_model, quantize_tensor)
from gpt2lab.quantized_matrices import to_matrix
from gpt2lab.sampling import beam_search, generate, stream
from gpt2lab.weights import from_pretrained, save_pretrained

SHAPE = dict(n_layer=2, n_head=4, n_embd=64, n_positions=48, vocab_size=97)
IDS = torch.arange(60).view(3, 20) * 31 % 97


def network(spread: float = 0.15, **shape) -> GPT2:
    """A GPT-2 with large random weights, so that an error shows, gains that are not 1 and biases that are not 0."""
    torch.manual_seed(1)
    model = GPT2(GPT2Config(**{**SHAPE, **shape})).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(spread * torch.randn_like(p))
    return model.requires_grad_(False)


MODEL = network()
SMALL = {scheme: quantize_model(MODEL, scheme) for scheme in SCHEMES}
TOLERANCE = {"fp16": 0.001, "bf16": 0.012, "int8-weight": 0.027, "int8-dynamic": 0.037, "int4-group": 0.36}     # of the logits' spread


@pytest.fixture
def without_kernels(monkeypatch):
    def absent(*_):
        raise RuntimeError("not implemented for this processor")
    for name in ("_int_mm", "_weight_int8pack_mm", "_convert_weight_to_int4pack_for_cpu"):
        monkeypatch.setattr(torch, name, absent)
    kernel_fault.cache_clear()
    yield
    kernel_fault.cache_clear()


def off(model: GPT2, ids: torch.Tensor = IDS) -> float:
    """The error of the logits (root mean square), in spreads of the logits."""
    exact = MODEL(ids).logits
    return ((model(ids).logits - exact).square().mean().sqrt() / exact.std()).item()


# ---------------------------------------------------------------- close to float32, and as small as promised

@pytest.mark.parametrize("scheme", SCHEMES)
def test_logits_stay_close(scheme):
    assert 0 < off(SMALL[scheme]) < TOLERANCE[scheme]


def test_more_bits_are_closer():
    assert off(SMALL["fp16"]) < off(SMALL["bf16"]) < off(SMALL["int4-group"]) and off(SMALL["int8-weight"]) < off(SMALL["int4-group"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_original_stays_as_it_was(scheme):
    model, before = network(), {name: p.clone() for name, p in MODEL.named_parameters()}
    small = quantize_model(model, scheme)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not {t.data_ptr() for t in [*small.parameters(), *small.buffers()]} & {p.data_ptr() for p in model.parameters()}


@pytest.mark.parametrize("scheme, share", [("fp16", 0.51), ("bf16", 0.51), ("int8-weight", 0.27), ("int8-dynamic", 0.27), ("int4-group", 0.19)])
def test_bytes_at_the_shape_of_gpt2(scheme, share):
    """Counted on one block of the real width and the whole table; the other eleven blocks are alike."""
    model = GPT2(GPT2Config(n_layer=1)).eval()
    parts = {"all": (model, quantize_model(model, scheme))}
    parts["block"] = (model.h[0], parts["all"][1].h[0])
    whole, small = (model_bytes(parts["all"][i]) + 11 * model_bytes(parts["block"][i]) for i in (0, 1))
    assert whole == 4 * 124_439_808 and small / whole < share


def test_half_precision_is_pytorchs_own():
    model, x = MODEL.h[0].mlp.c_fc, torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    for scheme, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        ours, theirs = SMALL[scheme].h[0].mlp.c_fc(x), copy.deepcopy(model).to(dtype)(x.to(dtype)).float()
        torch.testing.assert_close(ours, theirs, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.filterwarnings("ignore")
def test_int8_dynamic_is_torchaos():
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed: pip install torchao")
    linear, x = copy.deepcopy(MODEL.h[0].attn.c_attn), torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    ours = SMALL["int8-dynamic"].h[0].attn.c_attn(x)
    theirs = nn.Sequential(linear)
    quantization.quantize_(theirs, quantization.Int8DynamicActivationInt8WeightConfig())
    exact = F.linear(x, MODEL.h[0].attn.c_attn.weight, MODEL.h[0].attn.c_attn.bias)
    errors = [(out - exact).norm().item() for out in (ours, theirs(x))]
    assert errors[0] < 1.1 * errors[1]                     # their step is max / 127.5, so no number is equal; their error is
    scale = theirs[0].weight.scale.flatten()
    same = Int8DynamicMatrix(theirs[0].weight.qdata, scale)
    torch.testing.assert_close(same.product(x, linear.bias), theirs(x), rtol=0, atol=0.03 * exact.std().item())
    torch.testing.assert_close(same.dequantize(), theirs[0].weight.dequantize(), rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif("fbgemm" not in torch.backends.quantized.supported_engines, reason="this torch has no fbgemm")
def test_int8_dynamic_is_pytorchs_own_dynamic_layer():
    """Equal weights; PyTorch's layer gives the inputs a zero point and one scale for all rows, so one row at a time."""
    linear, x = MODEL.h[0].mlp.c_fc, torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    q, before = quantize_tensor(linear.weight, axis=0), torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        weight = torch._make_per_channel_quantized_tensor(q.values, q.scale[:, 0].double(), q.zero_point[:, 0].long(), 0)
        packed = torch.ops.quantized.linear_prepack(weight, linear.bias)
        theirs = torch.cat([torch.ops.quantized.linear_dynamic(row, packed, False) for row in x.split(1)])
    finally:
        torch.backends.quantized.engine = before
    ours, exact = SMALL["int8-dynamic"].h[0].mlp.c_fc(x), linear(x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05 * exact.std().item())


def test_int8_weights_are_the_rounded_weights():
    linear, x = MODEL.h[0].attn.c_proj, torch.randn(20, 64, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    matrix = SMALL["int8-weight"].h[0].attn.c_proj.weight
    for rows in (1, 8, 20):                                # the kernel's rows, and the widened ones
        torch.testing.assert_close(matrix.product(x[:rows]), x[:rows] @ matrix.dequantize().T, rtol=0.01, atol=0.02)
    assert (matrix.dequantize() - linear.weight).abs().max() <= 0.51 * matrix.scale.max()


@pytest.mark.parametrize("group_size", [32, 64])
def test_four_bits_are_the_rounded_weights(group_size):
    weight, x = network().h[0].mlp.c_proj.weight, torch.randn(5, 256, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    matrix = to_matrix(weight, "int4-group", group_size)
    torch.testing.assert_close(matrix.product(x), x @ matrix.dequantize().T, rtol=0.02, atol=0.05)
    q = quantize_tensor(weight, 4, symmetric=False, group_size=group_size)
    step = q.scale.repeat_interleave(group_size, 1)
    assert ((matrix.dequantize() - weight).abs() <= 1.1 * step).all()
    assert ((matrix.dequantize() - weight).abs() / step).mean() < 0.27     # a quarter of a step, as rounding has it


# ---------------------------------------------------------------- at one with themselves

@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ids", [IDS[:1, :5], IDS[:2, :9], IDS[:, :1]], ids=str)
def test_a_cache_changes_no_text(scheme, ids):
    with_cache, without = (generate(SMALL[scheme], ids, max_new_tokens=25, use_cache=use) for use in (True, False))
    assert torch.equal(with_cache, without)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_token_behind_a_cache_takes_the_short_way_to_the_same_logits(scheme, monkeypatch):
    ids, whole = IDS[:1, :12], SMALL[scheme](IDS[:1, :12]).logits
    cache = SMALL[scheme].new_cache()
    SMALL[scheme](ids[:, :4], cache=cache)
    monkeypatch.setattr(GPT2, "forward", None)             # the long way is closed
    steps = torch.cat([SMALL[scheme](ids[:, t:t + 1], cache=cache).logits for t in range(4, 12)], 1)
    torch.testing.assert_close(steps, whole[:, 4:], rtol=0, atol=0.05 * whole.std().item())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_row_does_not_depend_on_its_neighbours(scheme):
    loud = network()
    alone = SMALL[scheme](IDS[:1]).logits
    together = SMALL[scheme](IDS).logits[:1]
    torch.testing.assert_close(alone, together, rtol=0, atol=0.02 * alone.std().item())
    x = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    layer = QuantizedLinear(to_matrix(loud.h[0].attn.c_attn.weight, scheme, 64), loud.h[0].attn.c_attn.bias)
    torch.testing.assert_close(layer(torch.cat([x, 1000 * x]))[:1], layer(x), rtol=0.01, atol=0.02)


def test_streams_beams_and_padding_run_on_small_models():
    model, ids = SMALL["int8-dynamic"], IDS[:1, :5]
    assert list(stream(model, ids, max_new_tokens=6)) == generate(model, ids, max_new_tokens=6)[0, 5:].tolist()
    assert beam_search(model, ids, 3, max_new_tokens=4).sequences.shape == (1, 9)
    padded = torch.cat([torch.zeros(1, 2, dtype=torch.long), ids], 1)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1]])
    assert torch.equal(generate(model, padded, attention_mask=mask, max_new_tokens=6)[:, 7:], generate(model, ids, max_new_tokens=6)[:, 5:])


def test_attentions_and_hidden_states_are_there():
    out = SMALL["int8-weight"](IDS, output_attentions=True, output_hidden_states=True)
    assert [a.shape for a in out.attentions] == [(3, 4, 20, 20)] * 2 and len(out.hidden_states) == 3
    exact = MODEL(IDS, output_attentions=True).attentions
    assert max((a - b).abs().max() for a, b in zip(out.attentions, exact)) < 0.05


def test_ids_beyond_the_vocabulary_are_refused_on_the_short_way_too():
    cache = SMALL["int8-dynamic"].new_cache()
    SMALL["int8-dynamic"](IDS[:1, :3], cache=cache)
    for token in (-1, 97):
        with pytest.raises(ValueError, match=f"token id {token}"):
            SMALL["int8-dynamic"](torch.tensor([[token]]), cache=cache)


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int4-group"])
def test_bad_input_is_refused_on_either_way_as_by_gpt2(scheme):
    model = SMALL[scheme]
    with pytest.raises(ValueError, match="49 tokens, 0 of them cached, but the model has 48 positions"):
        model(torch.zeros(1, 49, dtype=torch.long))
    with pytest.raises(ValueError, match=r"input_ids has shape \(1, 0\)"):
        model(IDS[:1, :0])
    cache = model.new_cache()
    model(IDS[:1], cache=cache)
    with pytest.raises(ValueError, match="torch.float32: token ids are torch.long"):
        model(torch.tensor([[3.7]]), cache=cache)
    with pytest.raises(ValueError, match="a cache serves one batch"):
        model(IDS[:, :1], cache=cache)
    model(IDS[:1, :1].expand(1, 28), cache=cache)
    with pytest.raises(ValueError, match="49 tokens, 48 of them cached"):
        model(IDS[:1, :1], cache=cache)


def test_whoever_wants_float_weights_is_told_what_to_do(tmp_path):
    with pytest.raises(AttributeError, match="no 'dtype'.*save_quantized"):
        save_pretrained(SMALL["int8-weight"], tmp_path)
    with pytest.raises(AttributeError, match="record the float model"):
        FastDecoder(SMALL["bf16"])
    assert not list(tmp_path.iterdir())


def test_past_the_context_the_window_jumps_as_ever():
    ids = IDS.view(1, -1)[:, :40]
    assert generate(SMALL["int8-dynamic"], ids, max_new_tokens=30).shape == (1, 70)


def test_a_table_answers_no_other_question():
    with pytest.raises(TypeError, match="relu"):
        F.relu(SMALL["bf16"].wte.weight)


# ---------------------------------------------------------------- from files, and without kernels

@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_that_lie_transposed_in_a_file(scheme, tmp_path):
    save_pretrained(MODEL, tmp_path)
    mapped = from_pretrained(tmp_path)
    assert not mapped.h[0].attn.c_attn.weight.is_contiguous()
    small = quantize_model(mapped, scheme)
    assert torch.equal(small(IDS).logits, SMALL[scheme](IDS).logits)
    assert torch.equal(generate(small, IDS[:1], max_new_tokens=8), generate(SMALL[scheme], IDS[:1], max_new_tokens=8))


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic", "int4-group"])
def test_without_kernels_the_same_model_is_slower_and_no_other(scheme, without_kernels):
    small = quantize_model(MODEL, scheme)
    assert off(small) < TOLERANCE[scheme]
    torch.testing.assert_close(small(IDS).logits, SMALL[scheme](IDS).logits, rtol=0, atol=0.12 * MODEL(IDS).logits.std().item())
    assert model_bytes(small) <= model_bytes(SMALL[scheme])
    assert generate(small, IDS[:1], max_new_tokens=5).shape == (1, 25)


def test_a_kernel_that_nobody_wrote_out_for_this_system_is_left_alone(monkeypatch):
    """As on Windows, where the kernel for four bits is right and takes a hundred times as long as it should."""
    kernel = torch._weight_int4pack_mm_for_cpu
    monkeypatch.setattr(torch, "_weight_int4pack_mm_for_cpu", lambda *a: (time.sleep(0.01), kernel(*a))[1])
    kernel_fault.cache_clear()
    try:
        assert "times as long" in kernel_fault("4-bit weights", "cpu")
        assert "smaller, not faster, since" in kernels("cpu")["int4-group"]
        small = quantize_model(MODEL, "int4-group")
        assert off(small) < TOLERANCE["int4-group"]
        assert small.h[0].mlp.c_fc.weight.values.dtype == torch.uint8          # in plain order, for no kernel
        torch.testing.assert_close(small.h[0].mlp.c_fc.weight.dequantize(), SMALL["int4-group"].h[0].mlp.c_fc.weight.dequantize(), rtol=0, atol=0)
    finally:
        kernel_fault.cache_clear()


def test_many_rows_of_bfloat16_are_widened_where_a_processor_does_not_compute_in_it(monkeypatch):
    matrix, x = SMALL["bf16"].h[0].mlp.c_fc.weight, torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    exact = F.linear(x, matrix.dequantize())
    monkeypatch.setattr(quantized_matrices, "has_bfloat16", lambda device: False)
    assert torch.equal(matrix.product(x), exact)
    monkeypatch.setattr(quantized_matrices, "has_bfloat16", lambda device: True)
    assert not torch.equal(matrix.product(x), exact)
    torch.testing.assert_close(matrix.product(x), exact, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("scheme", ["fp16", "bf16", "int8-weight"])
def test_a_moved_model_computes_where_it_is(scheme):
    """The meta device stands for a GPU: what stayed on the CPU would not meet the rest."""
    moved = quantize_model(network(), scheme).to("meta")
    assert moved(IDS.to("meta")).logits.is_meta


@pytest.mark.gpu
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_gpu_gives_the_same_logits(scheme):
    small = quantize_model(network().to("cuda"), scheme)
    exact = MODEL(IDS).logits
    assert (small(IDS.to("cuda")).logits.cpu() - exact).square().mean().sqrt() < TOLERANCE[scheme] * exact.std()
    assert generate(small, IDS[:1].to("cuda"), max_new_tokens=5).shape == (1, 25)


# ---------------------------------------------------------------- left in float32, and refused

def test_named_modules_stay_in_float32():
    small = quantize_model(MODEL, "int8-dynamic", modules_to_not_convert=["wte", "mlp.c_proj", "h.0.attn.c_attn"])
    assert isinstance(small.wte, nn.Embedding) and all(isinstance(block.mlp.c_proj, nn.Linear) for block in small.h)
    assert isinstance(small.h[0].attn.c_attn, nn.Linear) and isinstance(small.h[1].attn.c_attn, QuantizedLinear)
    assert off(small) < off(SMALL["int8-dynamic"]) and torch.equal(small.wte.weight, MODEL.wte.weight)
    assert generate(small, IDS[:1], max_new_tokens=5).shape == (1, 25)


def test_the_table_is_one_for_both_uses():
    assert isinstance(SMALL["int4-group"].wte, QuantizedTable) and isinstance(SMALL["int4-group"].wte.matrix, Int8DynamicMatrix)
    error = (SMALL["int8-weight"].wte(torch.arange(97)) - MODEL.wte.weight).abs().max()
    assert error <= SMALL["int8-weight"].wte.matrix.scale.max() / 2 + 1e-6


def broken(number: float, name: str = "h.1.mlp.c_fc.weight") -> GPT2:
    model = network()
    model.get_parameter(name).view(-1)[3] = number
    return model


@pytest.mark.parametrize("make, how, words", [
    (network, {"scheme": "int3"}, "no scheme is called 'int3': choose one of fp16, bf16"),
    (network, {"scheme": "bf16", "modules_to_not_convert": ["lm_head"]}, "no module is called 'lm_head'.*h.0.attn.c_attn"),
    (network, {"scheme": "bf16", "modules_to_not_convert": "wpe"}, "no module is called 'wpe'"),
    (lambda: broken(float("nan")), {"scheme": "int8-weight"}, "h.1.mlp.c_fc: holds NaN"),
    (lambda: broken(float("nan"), "h.0.ln_1.weight"), {"scheme": "fp16"}, "h.0.ln_1: holds NaN"),
    (lambda: broken(float("inf"), "h.0.attn.c_attn.bias"), {"scheme": "bf16"}, "h.0.attn.c_attn: holds NaN or infinity"),
    (lambda: broken(1e5), {"scheme": "fp16"}, "h.1.mlp.c_fc: a number reaches 1e\\+05.*bf16"),
    (network, {"scheme": "int4-group", "group_size": 48}, "group_size=48: choose one of 32, 64, 128, 256"),
    (network, {"scheme": "int8-weight", "group_size": 48}, "group_size=48"),                  # or its file could not be read again
    (network, {"scheme": "int4-group", "group_size": "64"}, "group_size='64'"),
    (network, {"scheme": "bf16", "group_size": True}, "group_size=True"),
    (network, {"scheme": "int4-group", "group_size": 128}, "rows of 64 in groups of 128"),
    (lambda: SMALL["bf16"], {"scheme": "int8-weight"}, "QuantizedGPT2 is no GPT2 with float weights"),
    (lambda: add_lora(network()), {"scheme": "int8-weight"}, "h.0.attn.c_attn is a LoRALinear.*merge_lora"),
    (lambda: nn.Linear(2, 2), {"scheme": "int8-weight"}, "Linear is no GPT2"),
])
def test_what_cannot_become_small_is_refused(make, how, words):
    with pytest.raises(ValueError, match=words):
        quantize_model(make(), **how)


def test_a_row_of_zeros_is_no_trouble():
    model = network()
    model.h[0].mlp.c_fc.weight[5] = 0
    model.wte.weight[11] = 0
    for scheme in SCHEMES:
        assert quantize_model(model, scheme)(IDS).logits.isfinite().all()
    x = torch.zeros(2, 64)
    layer = SMALL["int8-dynamic"].h[0].mlp.c_fc
    torch.testing.assert_close(layer(x), layer.bias.expand(2, -1))
    torch.testing.assert_close(layer(x[:1]), layer.bias[None])


def test_a_model_of_one_layer_of_any_shape_without_groups():
    model = network(n_embd=36, n_layer=1, vocab_size=50)
    for scheme in SCHEMES[:-1]:
        assert quantize_model(model, scheme)(IDS % 50).logits.shape == (3, 20, 50)


# ---------------------------------------------------------------- calibration

def test_calibration_finds_the_largest_input_of_each_channel():
    peaks = calibrate(MODEL, [IDS[:1], IDS[1:]])
    assert set(peaks) == {f"h.{i}.{part}" for i in (0, 1) for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")}
    first = MODEL.h[0].ln_1(MODEL.wte(IDS) + MODEL.wpe.weight[:20])
    torch.testing.assert_close(peaks["h.0.attn.c_attn"], first.abs().flatten(0, 1).amax(0))
    assert not MODEL.h[0].attn.c_attn._forward_pre_hooks


def test_fixed_ranges_are_used_and_saturate():
    peaks, frozen = calibrate(MODEL, [IDS]), quantize_model(MODEL, "int8-dynamic")
    assert freeze_ranges(frozen, peaks) is frozen and 0 < off(frozen) < 0.05
    layer, x = frozen.h[0].attn.c_attn, torch.zeros(2, 64)
    x[:, 3] = torch.tensor([1.0, 100.0]) * peaks["h.0.attn.c_attn"].max()
    out = layer(x) - layer.bias
    torch.testing.assert_close(out[0], out[1])             # beyond the peak nothing more is heard
    torch.testing.assert_close(layer(x[1:]), layer(x)[1:])
    assert off(freeze_ranges(quantize_model(MODEL, "int8-dynamic"), {n: p / 4 for n, p in peaks.items()})) > off(frozen)


def test_calibration_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no batch to calibrate on"):
        calibrate(MODEL, [])
    with pytest.raises(ValueError, match=r"input_ids has shape \(1, 0\)"):
        calibrate(MODEL, [IDS[:1, :0]])
    for batches in ("some text", [[1, 2, 3]]):
        with pytest.raises(ValueError, match="a batch is a (str|list): pass a list of tensors"):
            calibrate(MODEL, batches)
    assert not MODEL.h[0].attn.c_attn._forward_pre_hooks
    with pytest.raises(ValueError, match="the input of h.1.mlp.c_proj is not finite"):
        calibrate(broken(float("nan")), [IDS])
    with pytest.raises(ValueError, match="no float layers"):
        calibrate(SMALL["bf16"], [IDS])
    peaks = calibrate(MODEL, [IDS])
    with pytest.raises(ValueError, match="'h.9.attn.c_attn' is no layer with inputs in int8"):
        freeze_ranges(quantize_model(MODEL, "int8-dynamic"), {**peaks, "h.9.attn.c_attn": torch.ones(2)})
    with pytest.raises(ValueError, match="quantize_model\\(model, 'int8-dynamic'\\)"):
        freeze_ranges(quantize_model(MODEL, "int8-weight"), peaks)
    untouched = quantize_model(MODEL, "int8-dynamic")
    with pytest.raises(ValueError, match="the peak of h.1.mlp.c_fc is 0"):
        freeze_ranges(untouched, {**peaks, "h.1.mlp.c_fc": torch.zeros(64)})
    with pytest.raises(ValueError, match="there are no peaks"):
        freeze_ranges(untouched, {})
    for wrong in (torch.ones(32), torch.tensor(3.0), 3.0):
        with pytest.raises(ValueError, match="the peaks of h.1.mlp.c_fc are .*it has 64 inputs: calibrate the model"):
            freeze_ranges(untouched, {**peaks, "h.1.mlp.c_fc": wrong})
    assert torch.equal(untouched(IDS).logits, SMALL["int8-dynamic"](IDS).logits)


# ---------------------------------------------------------------- training through the rounding

@pytest.mark.parametrize("bits, scheme", [(4, "int4-group"), (8, "int8-weight")])
def test_what_is_trained_is_what_is_converted(bits, scheme):
    prepared = prepare_qat(MODEL, bits, group_size=32)
    converted = convert_qat(prepared)
    assert isinstance(converted, QuantizedGPT2) and converted.scheme == scheme
    spread = MODEL(IDS).logits.std()
    assert (prepared(IDS).logits - converted(IDS).logits).abs().max() < 0.06 * spread
    assert (prepared(IDS).logits - MODEL(IDS).logits).abs().max() > 0.01 * spread


def test_training_reaches_the_unrounded_weights_and_helps():
    torch.manual_seed(0)
    teacher, model = MODEL, prepare_qat(MODEL, group_size=64)
    assert all(p.requires_grad for p in model.parameters()) and not any(p.requires_grad for p in teacher.parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def distance(of):
        return F.kl_div(of(IDS).logits.log_softmax(-1), teacher(IDS).logits.log_softmax(-1), log_target=True, reduction="batchmean") / 20

    before = distance(convert_qat(model)).item()
    for _ in range(40):
        optimizer.zero_grad()
        distance(model).backward()
        optimizer.step()
    assert model.h[0].attn.c_attn.weight.grad.abs().max() > 0
    assert distance(convert_qat(model)).item() < 0.5 * before
    assert torch.equal(teacher.h[0].attn.c_attn.weight, network().h[0].attn.c_attn.weight)


def test_qat_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="bits=3"):
        prepare_qat(MODEL, 3)
    with pytest.raises(ValueError, match="groups of 128"):
        prepare_qat(MODEL, group_size=128)
    with pytest.raises(ValueError, match="group_size=48"):
        prepare_qat(MODEL, 8, group_size=48)
    with pytest.raises(ValueError, match="h.1.mlp.c_fc"):
        prepare_qat(broken(float("nan")))
    with pytest.raises(ValueError, match="no rounded layers"):
        convert_qat(MODEL)
    with pytest.raises(ValueError, match="QuantizedGPT2 is no GPT2"):
        prepare_qat(SMALL["bf16"])
    assert not any(isinstance(module, FakeQuantLinear) for module in MODEL.modules())
