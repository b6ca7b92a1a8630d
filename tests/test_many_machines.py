"""The programs printed in book/many_machines.md run as they stand there, and the Trainer's numbers are ours."""
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
import two_processes as worker

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.finetuning import TextData, evaluate_loss, finetune, load_checkpoint, take_rows
from gpt2lab.tokenizer import Tokenizer, train_bpe
from gpt2lab.weights import from_pretrained, save_pretrained

PAGE = Path(__file__).parents[1] / "book" / "many_machines.md"
ACCELERATE = "accelerate is not installed: pip install -e '.[dev]'"
TEXTS = ["".join(f"line {i} of {n} lines\n" for i in range(n)) for n in (5, 30, 60, 40, 9, 21)]


def program(name: str) -> str:
    """A program of the page by the name in its first line, with some of its words changed: a test has less time than a reader."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    source, = (block for block in blocks if block.startswith(f"# {name}\n"))
    for before, after in {"max_steps=200": "max_steps=6", "eval_steps=50": "eval_steps=3", "block_size=128": "block_size=32",
                          "warmup_steps=20": "learning_rate=1e-3"}.items():
        source = source.replace(before, after)
    return source


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a tiny model and its tokenizer, texts, and the page's programs."""
    folder = tmp_path_factory.mktemp("page")
    tokenizer = train_bpe(TEXTS, 300)
    tokenizer.save(folder / "tiny")
    torch.manual_seed(0)
    save_pretrained(GPT2(GPT2Config(**{**worker.SHAPE, "n_positions": 48, "vocab_size": tokenizer.n_vocab})), folder / "tiny")
    (folder / "texts").mkdir()
    for i, text in enumerate(TEXTS):
        (folder / "texts" / f"{i}.txt").write_text(text, encoding="utf-8")
    for name in ("train.py", "with_trainer.py"):
        (folder / name).write_text(program(name), encoding="utf-8")
    return folder


def run(place: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=place, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "OMP_NUM_THREADS": "1", "GPT2LAB_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in load_checkpoint(folder / "checkpoint.pt")["history"] if "loss" in record]


def test_the_script_runs_alone_and_in_two_processes(place):
    run(place, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "train.py", "tiny", "texts", "two")
    assert len(losses(place / "two")) == 6 and losses(place / "two")[-1] < losses(place / "two")[0]
    assert Tokenizer.load(place / "two").n_vocab == from_pretrained(place / "two").config.vocab_size


def test_the_script_runs_under_accelerate(place):
    pytest.importorskip("accelerate", reason=ACCELERATE)
    run(place, "-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1", "--num_processes", "2", "--main_process_port", "0",
        "--mixed_precision", "no", "--dynamo_backend", "no", "train.py", "tiny", "texts", "accelerated")
    assert len(losses(place / "accelerated")) == 6


def test_the_trainer_trains_what_we_saved_and_we_read_what_it_saves(place):
    pytest.importorskip("accelerate", reason=ACCELERATE)
    run(place, "with_trainer.py", "tiny", "texts", "trained")
    before, after = from_pretrained(place / "tiny"), from_pretrained(place / "trained")
    data = TextData.from_texts(Tokenizer.load(place / "tiny"), TEXTS, block_size=32)
    assert evaluate_loss(after, data.validation) < evaluate_loss(before, data.validation) - 0.05


def test_the_trainer_loses_what_we_lose(tmp_path):
    """The same rows in the same order, unequal in length: loss, learning rate and gradient norm of every step."""
    pytest.importorskip("accelerate", reason=ACCELERATE)
    model, data, config = worker.model(), worker.data(), worker.config(max_steps=6, eval_steps=None)
    save_pretrained(model, tmp_path)
    collate = next(part for part in program("with_trainer.py").split("\n\n\n") if part.startswith("def collate"))
    names = {"torch": torch, "pad_sequence": torch.nn.utils.rnn.pad_sequence}
    exec(collate, names)

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = transformers.TrainingArguments(
        str(tmp_path / "out"), max_steps=6, per_device_train_batch_size=config.per_device_train_batch_size, gradient_accumulation_steps=2,
        learning_rate=config.learning_rate, weight_decay=config.weight_decay, warmup_steps=config.warmup_steps, lr_scheduler_type="cosine",
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, remove_unused_columns=False)
    rows = take_rows(data.train, 0, 6 * worker.BIG_BATCH, config.seed)
    trainer = InOrder(transformers.GPT2LMHeadModel.from_pretrained(tmp_path), arguments, data_collator=names["collate"], train_dataset=rows)
    trainer.train()
    theirs = [record for record in trainer.state.log_history if "loss" in record]
    for ours, record in zip(finetune(model, data, config)[1:], theirs, strict=True):
        for name in ("loss", "learning_rate", "grad_norm"):
            assert math.isclose(ours[name], record[name], rel_tol=1e-5, abs_tol=1e-9), (ours["step"], name, json.dumps(record))
