"""The real GPT-2, where it has been downloaded, against published outputs of it (a table that GPT2LAB_REFERENCE names)."""
import os
import re
from pathlib import Path

import pytest
import torch

from gpt2lab.decoder import cross_entropy_loss
from gpt2lab.download import REPOSITORIES, cached_directory
from gpt2lab.lab import open_lab
from gpt2lab.weights import from_pretrained

TABLE = Path(os.environ.get("GPT2LAB_REFERENCE") or "nowhere") / "known_values.md"


def present(name: str) -> bool:
    try:
        return bool(cached_directory(name))
    except FileNotFoundError:
        return False


needs_gpt2 = pytest.mark.skipif(not present("gpt2"), reason="the real GPT-2 is not on this machine: gpt2lab download gpt2")
needs_table = pytest.mark.skipif(not TABLE.is_file(), reason="GPT2LAB_REFERENCE names no folder with known_values.md")


def known(pattern: str) -> re.Match:
    found = re.search(pattern, TABLE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the table has no line like {pattern!r}"
    return found


@pytest.fixture(scope="module")
def lab():
    return open_lab("gpt2", "cpu")


@torch.inference_mode()
def greedy(model, ids: list[int], length: int) -> list[int]:
    while len(ids) < length:
        ids = [*ids, int(model(torch.tensor([ids])).logits[0, -1].argmax())]
    return ids


@needs_table
def test_the_table_is_read_as_it_is_written():
    """Also without the weights: the patterns below must find their numbers."""
    assert len(greedy_ids()) == 20 and 5 < world_loss() < 6 and len(continuations()) == 2


def greedy_ids() -> list[int]:
    return [int(n) for n in known(r'input \[464, 3290\].*?->\s*\[([\d,]+)\]')[1].split(",")]


def world_loss() -> float:
    return float(known(r'gpt2-small loss on "Hello world!"\s*= ([\d.]+)')[1])


def continuations() -> list[tuple[str, str]]:
    return re.findall(r'"([^"]+)" ->\s*"([^"]+)"', known(r"left-padded batch \(same file\):(.*?)\n- ")[1])


@needs_gpt2
@needs_table
def test_greedy_continuation_of_two_tokens(lab):
    assert greedy(lab.model, [464, 3290], 20) == greedy_ids()


@needs_gpt2
@needs_table
@torch.inference_mode()
def test_the_loss_of_hello_world(lab):
    ids = torch.tensor([[lab.tokenizer.eot_token, *lab.tokenizer.encode("Hello world!")]])
    assert abs(cross_entropy_loss(lab.model(ids).logits[:, :-1], ids[:, 1:]).item() - world_loss()) < 4e-5


@needs_gpt2
@needs_table
def test_greedy_continuations_of_a_published_batch(lab):
    for prompt, whole in continuations():
        ids = lab.tokenizer.encode(prompt)
        assert lab.tokenizer.decode(greedy(lab.model, ids, len(lab.tokenizer.encode(whole)))) == whole


@pytest.mark.parametrize("name", REPOSITORIES)
@torch.inference_mode()
def test_every_size_on_this_machine_equals_transformers(name):
    if not present(name):
        pytest.skip("the real GPT-2 is not on this machine: gpt2lab download gpt2")
    import transformers
    ids = torch.arange(20)[None] * 1000
    ours = from_pretrained(name)(ids).logits
    theirs = transformers.GPT2LMHeadModel.from_pretrained(cached_directory(name), dtype=torch.float32).eval()(ids).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
