"""Pretraining: a run that was killed, wherever, ends in the same weights; a run that diverges keeps what was good."""
import json
import math
import re
import subprocess
import sys
from random import Random

import pytest
import torch

from gpt2lab import pretraining
from gpt2lab.decoder import GPT2Config, count_parameters
from gpt2lab.pretraining import PretrainConfig, pretrain
from gpt2lab.tokenizer import Tokenizer
from gpt2lab.weights import from_pretrained

TINY = GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=32, vocab_size=300, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
RECIPE = PretrainConfig(steps=12, batch_size=2, warmup=3, eval_every=4, practice_share=(0.5, 0.5), growing=4)

# Run in another process: trains as the test does and stops for good at a named place, waiting to be killed.
VICTIM = """
import sys
sys.path.insert(0, {tests!r})
import torch
from gpt2lab import pretraining, weights
import test_pretraining as here
from victims import after, wait_for_the_end
torch.set_num_threads(1)

{stop}
here.train({out!r})
"""
STOPS = {
    "before the first save": "after(pretraining, '_loss', 2)",
    "in a step": "after(pretraining, '_loss', 17)",
    "while the weights are written": "after(weights, 'save_file', 2, half=True)",
    "while the checkpoint is written": "after(pretraining.torch, 'save', 2, half=True)",
    "between weights and checkpoint of the last step": "after(pretraining, '_save', 3)",
}


def texts() -> tuple[list[str], list[str]]:
    """Sentences of a small made-up grammar, which a small model can learn a little of."""
    rng = Random(0)

    def sentence() -> str:
        return f"The {rng.choice(['list', 'file', 'value'])} is {rng.choice(['empty', 'open', 'new'])} when {rng.choice(['it', 'one'])} is made."
    return [" ".join(sentence() for _ in range(12)) for _ in range(20)], [" ".join(sentence() for _ in range(12)) for _ in range(4)]


def train(out, recipe: PretrainConfig = RECIPE, **options) -> dict:
    return pretrain(out, recipe, TINY, texts=texts(), **options)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Sums are taken in the same order in this process and in the one that is killed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without interruption: its directory and its last measurements."""
    out = tmp_path_factory.mktemp("whole")
    return out, train(out)


def killed(out, stop: str) -> None:
    """Train in another process and kill it (SIGKILL where there are signals) once it has come to the place."""
    from pathlib import Path
    program = VICTIM.format(tests=str(Path(__file__).parent), stop=STOPS[stop], out=str(out))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as victim:
        line = victim.stdout.readline()
        victim.kill()
        assert line == "ready\n", victim.stderr.read()
    assert victim.returncode not in (0, 1)


@pytest.mark.parametrize("stop", STOPS)
def test_a_killed_run_ends_in_the_same_weights(stop, whole, tmp_path):
    out, measured = whole
    killed(tmp_path, stop)
    resumed = train(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    ours, theirs = (torch.load(d / "checkpoint.pt", weights_only=True) for d in (tmp_path, out))
    assert all(torch.equal(value, theirs["model"][name]) for name, value in ours["model"].items())
    assert {**resumed, "seconds": 0} == {**measured, "seconds": 0}
    assert [h["loss"] for h in ours["history"]] == [h["loss"] for h in theirs["history"]] and len(ours["history"]) == 3


def test_the_kill_comes_where_it_is_said_to(tmp_path):
    """Else the test above would pass by killing nothing."""
    killed(tmp_path, "while the checkpoint is written")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert (tmp_path / "checkpoint.part").read_bytes() == b"half a file"


def test_a_finished_run_has_nothing_left_to_do(whole, monkeypatch):
    out, measured = whole
    before = (out / "model.safetensors").read_bytes()
    monkeypatch.setattr(pretraining, "_loss", lambda *a: pytest.fail("trained again"))
    assert train(out) == measured and (out / "model.safetensors").read_bytes() == before


def test_it_learns(whole):
    history = torch.load(whole[0] / "checkpoint.pt", weights_only=True)["history"]
    assert history[-1]["loss"] < history[0]["loss"] < math.log(TINY.vocab_size) + 0.5


def test_another_seed_gives_other_weights(whole, tmp_path):
    train(tmp_path, PretrainConfig(**{**vars(RECIPE), "seed": 1}))
    assert (tmp_path / "model.safetensors").read_bytes() != (whole[0] / "model.safetensors").read_bytes()


@pytest.mark.parametrize("change", [{"steps": 20}, {"matrix_lr": 0.5}, {"seed": 1}, {"batch_size": 3}])
def test_another_recipe_is_refused(whole, change):
    with pytest.raises(ValueError, match="another recipe.*'steps': 12.*another directory"):
        train(whole[0], PretrainConfig(**{**vars(RECIPE), **change}))


def test_another_model_is_refused(whole):
    with pytest.raises(ValueError, match="another model.*'n_layer': 2.*another directory"):
        pretrain(whole[0], RECIPE, GPT2Config(**{**vars(TINY), "n_layer": 3}), texts=texts())


def test_too_little_text_is_refused_with_the_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"held out: each needs more than n_positions=32"):
        pretrain(tmp_path, RECIPE, TINY, texts=(texts()[0], ["short"]))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(whole, tmp_path, monkeypatch):
    loss, calls = pretraining._loss, []

    def sick(model, *arguments):
        if model.training:
            calls.append(1)
        return loss(model, *arguments) * (math.nan if len(calls) == 7 and model.training else 1)
    monkeypatch.setattr(pretraining, "_loss", sick)
    with pytest.raises(FloatingPointError, match="loss is nan at step 6.*matrix_lr"):
        train(tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert all(p.isfinite().all() for p in from_pretrained(tmp_path).parameters())
    monkeypatch.setattr(pretraining, "_loss", loss)
    train(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (whole[0] / "model.safetensors").read_bytes()


def test_weights_broken_by_the_last_update_do_not_replace_good_ones(tmp_path, monkeypatch):
    schedule = pretraining._schedule
    monkeypatch.setattr(pretraining, "_schedule", lambda step, config: math.inf if step == 7 else schedule(step, config))
    with pytest.raises(FloatingPointError, match="held-out loss is nan at step 7"):
        train(tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert all(p.isfinite().all() for p in from_pretrained(tmp_path).parameters())


def test_the_model_card_tells_this_run(whole):
    out, measured = whole
    card = (out / "README.md").read_text(encoding="utf-8")
    train_texts, _ = texts()
    tokenizer, model = Tokenizer.load(out), from_pretrained(out)
    read = sum(len(tokenizer.encode(text)) + 1 for text in train_texts)
    assert f"**{measured['loss']:.3f} nats a token, {measured['bits_per_byte']:.3f} bits a byte.**" in card
    assert f"{count_parameters(model):,} parameters" in card and "2 layers, 2 heads, 16 channels, 32 positions, 300 tokens" in card.replace("\n", " ")
    assert f"{read:,} tokens" in card and "12 steps of 2 x 32 tokens" in card and "seed 0" in card and "Limits" in card
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
    assert [int(step) for step, _, _ in rows] == [4, 8, 12] and float(rows[-1][1]) == round(measured["loss"], 3)


def test_the_held_out_loss_is_what_the_saved_model_has(whole):
    """Counted anew, from the files: windows of 32, mean of -log p; and bits a byte from the text's own bytes."""
    out, measured = whole
    tokenizer, model = Tokenizer.load(out), from_pretrained(out)
    ids = [i for text in texts()[1] for i in [*tokenizer.encode(text), tokenizer.eot_token]]
    windows = torch.tensor(ids[:len(ids) // 33 * 33]).view(-1, 33)
    with torch.inference_mode():
        log_p = model(windows[:, :-1]).logits.log_softmax(-1).gather(-1, windows[:, 1:, None])
    assert -log_p.mean().item() == pytest.approx(measured["loss"], rel=0.02)      # bfloat16 in training, float16 on disk
    size = len("".join(t for t in tokenizer.decode(windows.flatten().tolist()).split("<|endoftext|>")).encode())
    assert measured["bits_per_byte"] == pytest.approx(measured["loss"] / math.log(2) * windows.numel() / size)


def test_the_result_loads_here_and_in_transformers(whole):
    import transformers
    theirs = transformers.GPT2LMHeadModel.from_pretrained(whole[0], local_files_only=True, dtype=torch.float32).eval()
    ids = torch.tensor([Tokenizer.load(whole[0]).encode("The list is new when it is made.")])
    with torch.inference_mode():
        torch.testing.assert_close(from_pretrained(whole[0])(ids).logits, theirs(ids).logits, rtol=1e-5, atol=1e-5)
    assert json.loads((whole[0] / "config.json").read_text())["model_type"] == "gpt2"


def test_batch_n_hangs_on_the_seed_and_on_n_alone(whole):
    data = pretraining._Data(Tokenizer.load(whole[0]), *texts(), TINY.n_positions)
    later = data.batch(7, RECIPE)
    for step in range(7):
        data.batch(step, RECIPE)
    again = data.batch(7, RECIPE)
    assert all(torch.equal(a, b) for a, b in zip(later, again)) and not torch.equal(later[0], data.batch(8, RECIPE)[0])


def test_targets_are_the_inputs_one_step_later(whole):
    data = pretraining._Data(Tokenizer.load(whole[0]), *texts(), TINY.n_positions)
    for step in range(20):
        ids, targets = data.batch(step, RECIPE)
        assert ids.shape == targets.shape == (2, 32)
        counted = targets[:, :-1] != -100
        assert torch.equal(ids[:, 1:][counted], targets[:, :-1][counted]) and counted.sum() >= 30
