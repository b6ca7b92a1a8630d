"""A small GPT-2 far from its start, and the folder it was saved in."""
import pytest
from weight_folders import SHAPE, shake

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.weights import save_pretrained


@pytest.fixture
def model() -> GPT2:
    return shake(GPT2(GPT2Config(**SHAPE)))


@pytest.fixture
def saved(model, tmp_path):
    save_pretrained(model, tmp_path / "model")
    return tmp_path / "model"
