"""OpenAI's TensorFlow checkpoint. The real TensorFlow writes and reads it where there is one; a stand-in elsewhere."""
import builtins
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.weights import TRANSPOSED, from_pretrained, load_state, read_config

CONFIG = GPT2Config(n_layer=2, n_head=2, n_embd=8, n_positions=6, vocab_size=11)
HPARAMS = {"n_vocab": 11, "n_ctx": 6, "n_embd": 8, "n_head": 2, "n_layer": 2}


@pytest.fixture
def model() -> GPT2:
    torch.manual_seed(0)
    model = GPT2(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model


def as_openai_wrote_it(model: GPT2) -> dict[str, np.ndarray]:
    """OpenAI's names and shapes (gpt-2/src/model.py): conv1d's w is [1, nx, nf], norm has g and b."""
    variables = {}
    for name, tensor in model.state_dict().items():
        numbers = tensor.numpy()
        if name in ("wte.weight", "wpe.weight"):
            variables["model/" + name.removesuffix(".weight")] = numbers
            continue
        *parts, last = name.split(".")
        if parts[0] == "h":
            parts = [f"h{parts[1]}", *parts[2:]]
        if name.endswith(TRANSPOSED):
            numbers = numbers.T[None].copy()               # (out, in) -> (1, in, out)
        letter = "b" if last == "bias" else "g" if "ln_" in parts[-1] else "w"
        variables["/".join(["model", *parts, letter])] = numbers
    return variables


def test_the_names_are_openais(model):
    shapes = {name: numbers.shape for name, numbers in as_openai_wrote_it(model).items()}
    assert shapes["model/h1/attn/c_attn/w"] == (1, 8, 24) and shapes["model/h0/mlp/c_proj/w"] == (1, 32, 8)
    assert shapes["model/h0/ln_1/g"] == (8,) and shapes["model/ln_f/b"] == (8,) and shapes["model/wpe"] == (6, 8)
    assert len(shapes) == 2 * 12 + 4


def check(directory, model):
    again = from_pretrained(directory)
    assert again.config.n_layer == 2 and again.config.n_positions == 6
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    other = GPT2(CONFIG)
    load_state(other, directory / "model.ckpt")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in other.state_dict().items())
    assert {p.dtype for p in from_pretrained(directory, dtype=torch.bfloat16).parameters()} == {torch.bfloat16}


def test_a_checkpoint_written_by_tensorflow(model, tmp_path):
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install tensorflow")
    v1 = tensorflow.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        for name, numbers in as_openai_wrote_it(model).items():
            v1.get_variable(name, initializer=numbers, use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    (tmp_path / "hparams.json").write_text(json.dumps(HPARAMS))
    check(tmp_path, model)
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(b"short")
    with pytest.raises(ValueError, match="no whole TensorFlow checkpoint"):
        from_pretrained(tmp_path)


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """In the place of TensorFlow an object with the two calls that are made of it; the numbers come from an .npz file."""
    def load_checkpoint(prefix):
        numbers = np.load(prefix + ".npz")
        return SimpleNamespace(get_variable_to_shape_map=lambda: {name: list(numbers[name].shape) for name in numbers.files},
                               get_tensor=lambda name: numbers[name])
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(train=SimpleNamespace(load_checkpoint=load_checkpoint)))
    (tmp_path / "hparams.json").write_text(json.dumps(HPARAMS))
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    return tmp_path


def test_names_axes_and_shapes_with_a_stand_in_for_tensorflow(model, stand_in):
    np.savez(stand_in / "model.ckpt.npz", **as_openai_wrote_it(model))
    check(stand_in, model)


def test_a_variable_too_many_is_named(model, stand_in):
    np.savez(stand_in / "model.ckpt.npz", **as_openai_wrote_it(model), **{"model/h0/attn/c_attn/w/Adam": np.zeros(3)})
    with pytest.raises(ValueError, match="model/h0/attn/c_attn/w/Adam"):
        from_pretrained(stand_in)


def test_without_tensorflow_the_mend_is_named(stand_in, monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **options):
        if name == "tensorflow":
            raise ImportError("no tensorflow")
        return real(name, *arguments, **options)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match="pip install tensorflow.*gpt2lab download gpt2"):
        from_pretrained(stand_in)


def test_what_the_reader_cannot_read_is_a_value_error(stand_in):
    (stand_in / "model.ckpt.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="no whole TensorFlow checkpoint"):
        from_pretrained(stand_in)


@pytest.mark.parametrize("changes, says", [({"n_layer": 0}, "n_layer=0"), ({"n_vocab": None}, "vocab_size=None"), ({"n_ctx": "x"}, "n_positions='x'")])
def test_hparams_are_checked_like_a_config(tmp_path, changes, says):
    (tmp_path / "hparams.json").write_text(json.dumps({**HPARAMS, **changes}))
    with pytest.raises(ValueError, match=says):
        read_config(tmp_path)
