"""The loop: the same numbers as a plain loop on Hugging Face's model; killed anywhere it goes on bit for bit; what fails loses nothing."""
import math
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gpt2lab import corpus, finetuning
from gpt2lab.decoder import GPT2, GPT2Config, cross_entropy_loss
from gpt2lab.finetuning import (FinetuneConfig, TextData, adamw_step, clip_gradients, collate, evaluate_loss, finetune, load_checkpoint, lr_at, take_rows)
from gpt2lab.lab import find_model
from gpt2lab.tokenizer import Tokenizer
from gpt2lab.weights import from_pretrained, save_pretrained

TINY = GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=16, vocab_size=40, embd_pdrop=0.1, attn_pdrop=0.1, resid_pdrop=0.1)
STILL = replace(TINY, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
CONFIG = FinetuneConfig(max_steps=12, per_device_train_batch_size=3, gradient_accumulation_steps=2, learning_rate=0.01, warmup_steps=3,
                        weight_decay=0.1, eval_steps=4, save_steps=3)


def tiny(config: GPT2Config = TINY, seed: int = 0) -> GPT2:
    torch.manual_seed(seed)
    return GPT2(config).eval()


def data() -> TextData:
    """Rows of unequal length that a small model can learn: each id is the one before plus one or two."""
    rng = random.Random(0)

    def row():
        ids = [rng.randrange(40)]
        while len(ids) < rng.choice([3, 9, 17]):
            ids.append((ids[-1] + rng.choice([1, 1, 1, 2])) % 40)
        return torch.tensor(ids if len(ids) > 1 else [1, 2])
    return TextData([row() for _ in range(20)], [row() for _ in range(6)])


def run(out=None, config=CONFIG, model=None, **options):
    model = model or tiny()
    return model, finetune(model, data(), config, output_dir=out, **options)


def numbers(history):
    """All that must be equal to the last bit: everything but the clock."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Sums are taken in the same order in this process and in the one that is killed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without interruption: its directory, its model and its history."""
    out = tmp_path_factory.mktemp("whole")
    return out, *run(out)


# ---------------------------------------------------------------- the numbers

def test_it_learns_and_tells(whole):
    _, model, history = whole
    assert [r["step"] for r in history] == list(range(13)) and set(history[0]) == {"step", "eval_loss"}
    for record in history[1:]:
        due = {"eval_loss"} if record["step"] in (4, 8, 12) else set()
        assert set(record) == {"step", "loss", "learning_rate", "grad_norm", "tokens", "seconds"} | due
    assert history[-1]["eval_loss"] < history[0]["eval_loss"] - 0.2
    assert history[-1]["eval_loss"] == evaluate_loss(model, data().validation, 16)
    tokens = sum(len(r) - 1 for r in take_rows(data().train, 0, 12 * 6, CONFIG.seed))
    assert history[-1]["tokens"] == tokens
    assert [r["learning_rate"] for r in history[1:]] == [lr_at(i, learning_rate=0.01, warmup_steps=3, max_steps=12) for i in range(12)]


def test_it_is_the_pieces_of_the_chapter_put_together():
    """Shift, loss, clipping, schedule and AdamW by hand, on one big batch instead of two small ones."""
    config = replace(CONFIG, max_grad_norm=0.5, learning_rate=0.003)
    model, history = run(config=config, model=tiny(STILL))
    hand = tiny(STILL)
    averages = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in hand.named_parameters()}
    for step in range(config.max_steps):
        hand.zero_grad()
        inputs, targets = collate(take_rows(data().train, step * 6, 6, config.seed))
        loss = cross_entropy_loss(hand(inputs).logits, targets)
        loss.backward()
        grads, norm = clip_gradients([p.grad for p in hand.parameters()], 0.5)
        assert history[step + 1]["loss"] == pytest.approx(loss.item(), abs=2e-5)
        assert history[step + 1]["grad_norm"] == pytest.approx(norm.item(), rel=1e-3)
        lr = lr_at(step, learning_rate=0.003, warmup_steps=3, max_steps=12)
        for (name, p), grad in zip(hand.named_parameters(), grads):
            new, *averages[name] = adamw_step(p.detach(), grad, *averages[name], step + 1, lr=lr, weight_decay=0.1 if p.dim() > 1 else 0.0)
            p.data.copy_(new)
    for a, b in zip(model.parameters(), hand.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_it_is_a_plain_loop_on_hugging_faces_model(tmp_path):
    """Their model, their labels and mask, torch's AdamW and clipping, their schedule: the same losses."""
    import transformers
    save_pretrained(tiny(STILL), tmp_path)
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, local_files_only=True).train()
    matrices, others = [p for p in theirs.parameters() if p.dim() > 1], [p for p in theirs.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=0.01)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, 3, 12)
    _, history = run(model=tiny(STILL))
    for step in range(12):
        rows = take_rows(data().train, step * 6, 6, CONFIG.seed)
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(r) for r in rows], batch_first=True)
        loss = theirs(ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
        loss.backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        assert history[step + 1]["loss"] == pytest.approx(loss.item(), abs=1e-4), step


@pytest.mark.parametrize("size, many", [(6, 1), (1, 6), (2, 3)])
def test_accumulation_gives_the_losses_of_the_big_batch(size, many):
    plain = run(model=tiny(STILL))[1]
    other = run(config=replace(CONFIG, per_device_train_batch_size=size, gradient_accumulation_steps=many), model=tiny(STILL))[1]
    assert [r["tokens"] for r in other[1:]] == [r["tokens"] for r in plain[1:]]
    assert [r["loss"] for r in other[1:]] == pytest.approx([r["loss"] for r in plain[1:]], abs=1e-4)


def test_recomputing_changes_no_bit(whole):
    assert numbers(run(config=replace(CONFIG, gradient_checkpointing=True))[1]) == numbers(whole[2])


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_a_gpu(precision, whole, tmp_path):
    """About the CPU's losses, the same bits when it is interrupted, and the model stays there."""
    def stop(record):
        if record["step"] == 7:
            raise KeyboardInterrupt
    config, model = replace(CONFIG, precision=precision), tiny().cuda()
    history = run(tmp_path / "whole", config, model)[1]
    assert model.wte.weight.is_cuda and history[-1]["eval_loss"] == pytest.approx(whole[2][-1]["eval_loss"], abs=0.15)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", config, tiny().cuda(), callback=stop)
    assert [r["loss"] for r in run(tmp_path / "parts", config, tiny().cuda())[1][1:]] == pytest.approx([r["loss"] for r in history[1:]], abs=1e-5)


def test_mini_takes_on_code_in_a_few_steps(record_property):
    """The lesson's run, a tenth of it: held-out modules become likelier, offline, from what lies on this machine."""
    model, tokenizer = from_pretrained("mini"), Tokenizer.load(find_model("mini"))
    train, held_out = corpus.code(200_000)
    texts = TextData.from_texts(tokenizer, train + held_out, 64, validation_share=0.2)
    texts.validation = texts.validation[:24]
    config = FinetuneConfig(max_steps=15, per_device_train_batch_size=4, learning_rate=1e-3, warmup_steps=2, weight_decay=0.1)
    history = finetune(model, texts, config)
    start, end = history[0]["eval_loss"], history[-1]["eval_loss"]
    record_property("measured", f"mini on code, held out: {start:.3f} -> {end:.3f} nats a token after {history[-1]['tokens']:,} tokens")
    assert end < start - 0.1


def test_only_a_long_run_shows_a_bar(capsys):
    run()
    assert capsys.readouterr() == ("", "")
    run(callback=lambda record: time.sleep(0.1))
    assert re.search(r"finetune: 100%.*12/12 .*loss=", capsys.readouterr().err)


def test_another_seed_is_another_run(whole):
    other = run(config=replace(CONFIG, seed=1))[1]
    assert other[0] == whole[2][0] and other[1]["loss"] != whole[2][1]["loss"]


def test_frozen_parameters_stay(whole):
    model = tiny()
    for name, p in model.named_parameters():
        p.requires_grad_("c_attn" in name)
    before = {name: p.clone() for name, p in model.named_parameters()}
    finetune(model, data(), CONFIG)
    assert all(torch.equal(p, before[name]) != ("c_attn" in name) for name, p in model.named_parameters())


# ---------------------------------------------------------------- killed, interrupted, resumed

# Run in another process: trains as the tests do and stops for good at a named place, waiting to be killed.
VICTIM = """
import sys
sys.path.insert(0, {tests!r})
import torch
from gpt2lab import finetuning, training_run, weights
import test_finetuning_run as here
from victims import after, wait_for_the_end
torch.set_num_threads(1)

{stop}
print("start", flush=True)
here.run(here.Path({out!r}))
print("done", flush=True)
"""
STOPS = {
    "before anything is saved": "after(finetuning, '_examine', 1)",
    "while the first checkpoint is written": "after(training_run.torch, 'save', 1, half=True)",
    "in the middle of a step": "after(finetuning, 'summed_loss', 19)",
    "between gradients and update": "after(finetuning.torch.optim.AdamW, 'step', 8)",
    "after an update, before its checkpoint": "after(finetuning, 'save_run', 3)",
    "while a checkpoint is written": "after(training_run.torch, 'save', 4, half=True)",
    "while a checkpoint gets its name": "after(training_run.os, 'fsync', 4)",
    "in an evaluation": "after(finetuning, '_examine', 3)",
    "while the finished model is written": "after(weights, 'save_file', 1, half=True)",
}


def victim(out, stop: str) -> subprocess.Popen:
    program = VICTIM.format(tests=str(Path(__file__).parent), stop=stop, out=str(out))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "start\n", process.stderr.read()
    return process


def same_end(out, whole) -> None:
    """Go on in `out`: the history and the weights are those of the run that was never interrupted, to the last bit."""
    model, history = run(out)
    assert numbers(history) == numbers(whole[2])
    assert (out / "model.safetensors").read_bytes() == (whole[0] / "model.safetensors").read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole[1].parameters()))
    ours, theirs = (load_checkpoint(d / "checkpoint.pt") for d in (out, whole[0]))
    for a, b in zip(ours["optimizer"]["state"].values(), theirs["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(a[k], b[k]) for k in ("step", "exp_avg", "exp_avg_sq"))


@pytest.mark.parametrize("stop", STOPS)
def test_killed_at_any_place_it_ends_the_same(stop, whole, tmp_path):
    with victim(tmp_path, STOPS[stop]) as process:
        line = process.stdout.readline()
        process.kill()
        assert line == "ready\n", process.stderr.read()
    assert process.returncode not in (0, 1)
    same_end(tmp_path, whole)


def test_killed_again_and_again_at_moments_nobody_chose_it_ends_the_same(whole, tmp_path):
    """The process is slowed down a little, so that there is something to kill."""
    slow = "import time\noriginal = finetuning._take_step\nfinetuning._take_step = lambda run: (time.sleep(0.02), original(run))[1]"
    rng, kills = random.Random(time.time_ns()), 0
    for _ in range(4):
        with victim(tmp_path, slow) as process:
            time.sleep(rng.uniform(0.01, 0.25))
            process.kill()
            kills += "done" not in process.stdout.read()
    assert kills, "each one came too late"
    same_end(tmp_path, whole)


def test_the_kill_comes_where_it_is_said_to(tmp_path):
    """Else the tests above would pass by killing nothing."""
    with victim(tmp_path, STOPS["while a checkpoint is written"]) as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 6 and (tmp_path / "checkpoint.part").read_bytes() == b"half a file"


def test_interrupted_in_the_notebook_the_cell_can_be_run_again(whole, tmp_path):
    """The model in memory is half trained by then: the run goes on from the checkpoint all the same."""
    model, seen = tiny(), []

    def interrupt(record):
        seen.append(record["step"])
        if record["step"] == 8:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        finetune(model, data(), CONFIG, output_dir=tmp_path, callback=interrupt)
    assert not model.training and all(p.grad is None for p in model.parameters())
    seen.clear()
    history = finetune(model, data(), CONFIG, output_dir=tmp_path, callback=lambda r: seen.append(r["step"]))
    assert numbers(history) == numbers(whole[2]) and seen == list(range(13)), "the callback gets the old records too"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole[1].parameters()))


def test_before_the_first_checkpoint_too(whole, tmp_path):
    model = tiny()

    def interrupt(record):
        if record["step"] == 2:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        finetune(model, data(), CONFIG, output_dir=tmp_path, callback=interrupt)
    assert numbers(finetune(model, data(), CONFIG, output_dir=tmp_path)) == numbers(whole[2])


def test_a_finished_run_has_nothing_left_to_do(whole, monkeypatch):
    monkeypatch.setattr(finetuning, "_take_step", lambda run: pytest.fail("trained again"))
    model, history = run(whole[0])
    assert history == whole[2] and all(torch.equal(a, b) for a, b in zip(model.parameters(), whole[1].parameters()))


def test_nobody_elses_dice_or_weights_change_the_run(whole):
    """Not what the callback draws, not what was drawn before; and the caller's own dice fall as if nothing had been."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    model = tiny()
    torch.manual_seed(5)
    history = finetune(model, data(), CONFIG, callback=lambda r: torch.rand(r["step"] + 1))
    assert numbers(history) == numbers(whole[2])
    torch.manual_seed(5)
    finetune(model, data(), replace(CONFIG, max_steps=3))
    assert torch.equal(torch.rand(1), expected) and not model.training


@pytest.mark.parametrize("change, says", [
    ({"learning_rate": 0.02}, "learning_rate is 0.02, was 0.01"), ({"seed": 3}, "seed is 3, was 0"), ({"max_steps": 20}, "max_steps is 20, was 12"),
    ({"per_device_train_batch_size": 4}, "rows a step is 8, was 6"), ({"precision": "bf16"}, "precision is 'bf16', was 'fp32'")])
def test_another_run_is_refused_and_the_difference_named(change, says, whole):
    before = (whole[0] / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match=f"another run: {says}.*another output_dir"):
        run(whole[0], replace(CONFIG, **change))
    assert (whole[0] / "checkpoint.pt").read_bytes() == before


def test_other_data_and_another_model_are_refused(whole):
    with pytest.raises(ValueError, match="data is '19 rows.*was '20 rows"):
        finetune(tiny(), TextData(data().train[1:], data().validation), CONFIG, output_dir=whole[0])
    with pytest.raises(ValueError, match="model is .*n_layer=3.*was .*n_layer=2"):
        run(whole[0], model=tiny(replace(TINY, n_layer=3)))


@pytest.mark.parametrize("change", [{"per_device_train_batch_size": 1, "gradient_accumulation_steps": 6}, {"gradient_checkpointing": True}, {"save_steps": 1}])
def test_what_saves_memory_may_change_on_the_way(change, tmp_path):
    """So that a run that ran out of memory can go on."""
    def stop(record):
        if record["step"] == 7:
            raise KeyboardInterrupt
    still = run(model=tiny(STILL))[1]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model=tiny(STILL), callback=stop)
    history = run(tmp_path, replace(CONFIG, **change), model=tiny(STILL))[1]
    assert [r["loss"] for r in history[1:]] == pytest.approx([r["loss"] for r in still[1:]], abs=1e-4)


# ---------------------------------------------------------------- early stopping, samples, files

def overfitting(patience):
    """Held-out rows that say the opposite of the training rows: learning makes them worse after a while."""
    up = [torch.arange(i, i + 10) % 40 for i in range(20)]
    down = [torch.arange(i + 10, i, -1) % 40 for i in range(4)]
    return TextData(up, down), replace(CONFIG, max_steps=60, eval_steps=2, early_stopping_patience=patience, learning_rate=0.01, warmup_steps=0)


def test_it_stops_early_with_the_best_model(tmp_path):
    model = tiny()
    mixed, config = overfitting(3)
    history = finetune(model, mixed, config, output_dir=tmp_path)
    evaluations = [r["eval_loss"] for r in history if "eval_loss" in r]
    best = min(evaluations)
    assert history[-1]["step"] < 60 and evaluations.index(best) == len(evaluations) - 4, "three without a better one"
    assert evaluate_loss(model, mixed.validation, 16) == best != evaluations[-1]
    assert evaluate_loss(from_pretrained(tmp_path), mixed.validation, 16) == pytest.approx(best, abs=1e-6)
    again = finetune(other := tiny(seed=9), mixed, config, output_dir=tmp_path)
    assert again == history and evaluate_loss(other, mixed.validation, 16) == best


def test_samples_come_with_each_evaluation_and_change_nothing(whole, tmp_path):
    tokenizer = Tokenizer.load(find_model("mini"))
    config = GPT2Config(**{**vars(TINY), "vocab_size": tokenizer.n_vocab})
    texts = TextData.from_texts(tokenizer, ["The list is empty. " * 5, "The file is open. " * 5, "A value is new. " * 4], 16)
    plain = finetune(tiny(config), texts, CONFIG)
    told = finetune(tiny(config), texts, replace(CONFIG, sample_prompt="The list", sample_tokens=5), output_dir=tmp_path)
    assert [r["loss"] for r in told[1:]] == [r["loss"] for r in plain[1:]]
    samples = [r["sample"] for r in told if "sample" in r]
    assert len(samples) == 4 and all(s.startswith("The list") and len(s) > len("The list") for s in samples)
    still = finetune(tiny(config), texts, replace(CONFIG, sample_prompt="The list", learning_rate=1e-12))
    assert len({r["sample"] for r in still if "sample" in r}) == 1, "the same dice each time: samples differ by the model alone"
    assert Tokenizer.load(tmp_path).encode("The list") == tokenizer.encode("The list"), "the folder is complete"


def test_the_result_loads_here_and_in_transformers(whole):
    import transformers
    out, model, _ = whole
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    theirs = transformers.GPT2LMHeadModel.from_pretrained(out, local_files_only=True).eval()
    with torch.inference_mode():
        torch.testing.assert_close(theirs(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-5)
        assert torch.equal(from_pretrained(out)(ids).logits, model(ids).logits)


def test_training_a_loaded_model_leaves_its_file_alone(tmp_path):
    save_pretrained(tiny(), tmp_path / "start")
    before = (tmp_path / "start" / "model.safetensors").read_bytes()
    model, history = run(model=from_pretrained(tmp_path / "start"))
    assert history[-1]["eval_loss"] < history[0]["eval_loss"]
    assert (tmp_path / "start" / "model.safetensors").read_bytes() == before


# ---------------------------------------------------------------- what fails loses nothing

def test_a_loss_that_is_no_number_stops_with_the_weights_and_the_checkpoint_kept(whole, tmp_path, monkeypatch):
    original, calls = finetuning.summed_loss, []

    def sick(logits, targets):
        calls.append(logits.requires_grad)
        nats, tokens = original(logits, targets)
        return nats * (math.nan if sum(calls) == 16 and logits.requires_grad else 1), tokens
    monkeypatch.setattr(finetuning, "summed_loss", sick)
    model = tiny()
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 7, which reads rows 42 to 47.*learning_rate below 0.01.*step 6 is kept in"):
        finetune(model, data(), CONFIG, output_dir=tmp_path)
    assert all(p.isfinite().all() and p.grad is None for p in model.parameters()) and not model.training
    monkeypatch.setattr(finetuning, "summed_loss", original)
    same_end(tmp_path, whole)


def test_a_gradient_that_is_no_number_stops_before_the_update(tmp_path, monkeypatch):
    model = tiny()
    model.h[0].mlp.c_fc.weight.register_hook(lambda grad: grad * math.inf)
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(FloatingPointError, match="length of the gradient is (nan|inf) at step 0.*pass output_dir to keep"):
        finetune(model, data(), CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_weights_broken_by_an_update_do_not_replace_good_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning, "lr_at", lambda step, **k: math.inf if step == 5 else 0.001)
    with pytest.raises(FloatingPointError, match="step 3 is kept"):
        run(tmp_path)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["step"] == 3 and all(t.isfinite().all() for t in saved["model"].values())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
                                   RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried")])
def test_out_of_memory_says_which_knob_and_keeps_the_checkpoint(error, whole, tmp_path):
    model = tiny()
    forward, calls = model.forward, []

    def full(*arguments, **options):
        calls.append(model.training)
        if sum(calls) == 10 and model.training:
            raise error
        return forward(*arguments, **options)
    model.forward = full
    with pytest.raises(MemoryError, match=r"per_device_train_batch_size=1 with gradient_accumulation_steps=4.*gradient_checkpointing=True.*bf16.*"
                                          r"step 3 is kept") as raised:
        finetune(model, data(), CONFIG, output_dir=tmp_path)
    assert raised.value.__cause__ is error
    same_end(tmp_path, whole)


def test_another_runtime_error_is_not_called_out_of_memory():
    model = tiny()
    model.forward = lambda ids: (_ for _ in ()).throw(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        finetune(model, TextData(data().train), replace(CONFIG, eval_steps=None))


@pytest.mark.parametrize("change, config, says", [
    ({"train": [torch.arange(18)]}, {}, "17 tokens to read but the model 16 positions.*block_size=16"),
    ({"train": [torch.tensor([1, 40])]}, {}, r"token id 40 is outside 0\.\.39"),
    ({"validation": [torch.tensor([1, -3])]}, {}, r"token id -3 is outside"),
    ({"validation": []}, {}, "need data.validation"),
    ({}, {"early_stopping_patience": 2, "eval_steps": None}, "set eval_steps too"),
    ({}, {"sample_prompt": "x"}, "needs data.tokenizer and data.validation"),
    ({"validation": [], "tokenizer": "any"}, {"sample_prompt": "x", "eval_steps": None}, "needs data.tokenizer and data.validation"),
])
def test_what_would_fail_in_the_middle_fails_at_the_start(change, config, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        finetune(tiny(), replace(data(), **change), replace(CONFIG, **config), output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing was written"


def test_who_has_switched_gradients_off_can_train_all_the_same(whole):
    with torch.no_grad():
        history = run()[1]
    assert numbers(history) == numbers(whole[2])


def test_half_precision_weights_are_refused():
    with pytest.raises(ValueError, match="bfloat16.*dtype=torch.float32"):
        finetune(tiny().bfloat16(), data(), CONFIG)
