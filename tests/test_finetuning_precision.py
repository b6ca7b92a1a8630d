"""Half precision in a run: bfloat16, and float16 with its scaled loss, whose steps are left out where a gradient overflows."""
import math
from dataclasses import replace

import pytest
import torch
from test_finetuning_run import CONFIG, STILL, data, numbers, run, tiny

from gpt2lab.decoder import GPT2
from gpt2lab.finetuning import evaluate_loss, finetune, load_checkpoint
from gpt2lab.training_run import check_run

HALF = replace(CONFIG, precision="fp16")
FIRST_SCALE = 65536.0                                      # torch's own


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loud() -> GPT2:
    """A tiny model whose gradients, times 65,536, are beyond float16: large embeddings pass them back enlarged."""
    model = tiny(STILL)
    with torch.no_grad():
        model.wte.weight *= 1000
        model.ln_f.weight *= 0.01
    return model


def watched(model: GPT2, config=HALF, **options) -> tuple[list[dict], list[list[torch.Tensor]]]:
    """The history of a run, and the weights as they were after each of its records."""
    seen: list[list[torch.Tensor]] = []
    history = finetune(model, data(), config, callback=lambda record: seen.append([p.detach().cpu().clone() for p in model.parameters()]), **options)
    return history, seen


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


on_each = pytest.mark.parametrize("device", [
    "cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_close_and_the_weights_stay_whole(precision):
    whole, (model, half) = run(model=tiny(STILL))[1], run(config=replace(CONFIG, precision=precision), model=tiny(STILL))
    assert half[-1]["eval_loss"] != whole[-1]["eval_loss"] and half[-1]["eval_loss"] == pytest.approx(whole[-1]["eval_loss"], abs=0.05)
    assert [r["grad_norm"] for r in half[1:]] == pytest.approx([r["grad_norm"] for r in whole[1:]], rel=0.1), "of gradients as they are, unscaled"
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all(("loss_scale" in r) == (precision == "fp16") for r in half[1:])


def test_products_run_in_the_format_that_was_asked_for(monkeypatch):
    for precision, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.items():
        model, seen = tiny(STILL), set()
        model.h[0].mlp.c_fc.register_forward_hook(lambda module, given, out, seen=seen: seen.add(out.dtype))
        finetune(model, data(), replace(CONFIG, precision=precision, max_steps=4))
        assert seen == {dtype}, "in training and in evaluation"


@on_each
def test_a_step_that_overflows_is_left_out_and_the_scale_halves(device, tmp_path):
    model = loud().to(device)
    history, weights = watched(model, output_dir=tmp_path)
    left_out = [not math.isfinite(r["grad_norm"]) for r in history[1:]]
    assert 1 <= sum(left_out) < 8 and left_out == sorted(left_out, reverse=True), "the first ones, until the scale is small enough"
    for i, (record, skipped) in enumerate(zip(history[1:], left_out)):
        assert record["loss_scale"] == FIRST_SCALE / 2 ** sum(left_out[:i])
        assert same(weights[i], weights[i + 1]) == (skipped or record["learning_rate"] == 0)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["scaler"]["scale"] == FIRST_SCALE / 2 ** sum(left_out) and saved["scaler"]["_growth_tracker"] == left_out.count(False)
    for averages in saved["optimizer"]["state"].values():
        assert averages["step"] == left_out.count(False) and averages["exp_avg"].isfinite().all(), "AdamW has not seen those steps"


@on_each
def test_clipping_acts_on_gradients_as_they_are(device, tmp_path):
    """Clipped while still scaled, they would be 65,536 times shorter after the scale is taken off."""
    config = replace(HALF, max_steps=1, warmup_steps=0, max_grad_norm=0.01, eval_steps=None)
    run(tmp_path, config, tiny(STILL).to(device))
    averages = [state["exp_avg"] for state in load_checkpoint(tmp_path / "checkpoint.pt")["optimizer"]["state"].values()]
    length = math.sqrt(sum(average.double().square().sum().item() for average in averages))
    assert length == pytest.approx((1 - config.adam_beta1) * 0.01, rel=1e-3), "after one step the average is a tenth of the gradient"


def test_a_gradient_too_small_for_float16_is_kept_by_the_scale():
    """Unscaled, the smallest of float16 swallows it."""
    tiny_gradient = torch.tensor(1e-8)
    assert tiny_gradient.half() == 0 and (tiny_gradient * FIRST_SCALE).half().float() / FIRST_SCALE == pytest.approx(1e-8, rel=1e-3)
    model = tiny(STILL)
    with torch.no_grad():
        model.ln_f.weight *= 1e-6                          # what comes back through it is as small
    history, weights = watched(model, replace(HALF, max_steps=2, warmup_steps=0))
    names = [name for name, _ in model.named_parameters()]
    moved = {name for name, a, b in zip(names, weights[0], weights[1]) if not torch.equal(a, b)}
    assert "h.0.attn.c_attn.weight" in moved and history[1]["loss_scale"] == FIRST_SCALE


@on_each
def test_it_goes_on_with_the_scale_it_had(device, tmp_path):
    """To the last bit on a CPU; a scaler that began anew would overflow again."""
    def stop(record):
        if record["step"] == 8:
            raise KeyboardInterrupt
    whole = run(tmp_path / "whole", HALF, loud().to(device))[1]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", HALF, loud().to(device), callback=stop)
    at_stop = load_checkpoint(tmp_path / "parts" / "checkpoint.pt")
    assert at_stop["step"] == 6 and at_stop["scaler"]["scale"] < FIRST_SCALE and at_stop["scaler"]["_growth_tracker"] > 0
    resumed = run(tmp_path / "parts", HALF, loud().to(device))[1]
    assert [r["loss_scale"] for r in resumed[1:]] == [r["loss_scale"] for r in whole[1:]]
    if device == "cpu":
        assert repr(numbers(resumed)) == repr(numbers(whole))          # nan, of a step left out, equals nothing
        ends = [load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts")]
        assert ends[0]["scaler"] == ends[1]["scaler"] and same(list(ends[0]["model"].values()), list(ends[1]["model"].values()))


def test_where_no_scale_helps_it_stops():
    """A gradient that is infinite by itself: the scale comes down to 1, and then the run ends, the weights as they were."""
    model = tiny(STILL)
    before = [p.detach().clone() for p in model.parameters()]
    model.h[0].mlp.c_fc.weight.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(FloatingPointError, match=r"length of the gradient is (nan|inf) at step 16.*learning_rate below 0.01.*bf16"):
        finetune(model, data(), replace(HALF, max_steps=40))
    assert same(before, list(model.parameters()))


def test_numbers_beyond_float16_going_forward_say_what_to_choose():
    model = tiny(STILL)
    with torch.no_grad():
        model.wte.weight *= 1e7
    with pytest.raises(FloatingPointError, match='held-out loss is (nan|inf).*precision="bf16"'):
        finetune(model, data(), HALF)
    assert math.isfinite(evaluate_loss(model, data().validation)), "in float32 it would have gone"


def test_a_device_without_a_scaled_loss_is_refused():
    with pytest.raises(ValueError, match='NVIDIA GPUs and CPUs, and the model is on meta: choose "bf16" or "fp32"'):
        check_run(tiny().to("meta"), data(), HALF)
    with pytest.raises(ValueError, match="fp16.*fsdp do not go together"):
        check_run(tiny(), data(), replace(HALF, fsdp=True))
