"""What a loaded model is: filled whole or not at all, no parameter tied to another or to the file, and its cost in memory."""
import copy
import shutil

import pytest
import torch
from safetensors.torch import load_file

from gpt2lab import measure
from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.weights import PREFIX, from_pretrained, load_state, save_pretrained
from weight_folders import SHAPE, as_pickle, edit, same

IDS = torch.tensor([[1, 5, 28, 0, 7], [2, 2, 2, 9, 11]])


# ---------------------------------------------------------------- into a model that is there

def test_load_state_keeps_the_models_dtype_and_parameters(model, saved):
    other = GPT2(model.config).to(torch.float64)
    before = dict(other.named_parameters())
    load_state(other, saved)
    assert all(p is before[name] and p.dtype == torch.float64 for name, p in other.named_parameters())
    same(other.float(), model)


def test_a_model_without_memory_is_not_filled_in_silence(model, saved):
    with pytest.raises(ValueError, match="no memory.*to_empty"):
        load_state(copy.deepcopy(model).to("meta"), saved)
    empty = copy.deepcopy(model).to("meta").to_empty(device="cpu")
    load_state(empty, saved)
    same(empty, model)


def test_load_state_is_all_or_nothing(model, saved):
    other = GPT2(model.config)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    edit(saved, lambda state: state[PREFIX + "wte.weight"].view(-1)[-1:].fill_(float("nan")))
    with pytest.raises(ValueError):
        load_state(other, saved)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_training_changes_no_file(saved):
    before = (saved / "model.safetensors").read_bytes()
    loaded = from_pretrained(saved)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1.0)
    assert (saved / "model.safetensors").read_bytes() == before
    assert torch.equal(from_pretrained(saved).wte.weight + 1, loaded.wte.weight)


@pytest.mark.parametrize("kind", ["mapped", "copied", "pickle"])
def test_no_parameter_shares_memory_with_another(saved, kind):
    if kind == "pickle":
        state = load_file(saved / "model.safetensors")
        state[PREFIX + "h.1.ln_1.bias"] = state[PREFIX + "h.0.ln_1.bias"]                  # one memory, two names
        as_pickle(saved, state)
    loaded = from_pretrained(saved, dtype=torch.float16 if kind == "copied" else None)
    with torch.no_grad():
        for parameter in loaded.parameters():
            rest = [(other, other.clone()) for other in loaded.parameters() if other is not parameter]
            parameter.add_(1.0)
            assert all(torch.equal(other, kept) for other, kept in rest)


def test_the_model_learns_and_is_in_eval_mode(saved):
    loaded = from_pretrained(saved)
    assert not loaded.training and all(parameter.requires_grad for parameter in loaded.parameters())
    loaded(IDS).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_one_parameter_is_saved_without_the_rest_of_its_file(saved, tmp_path):
    torch.save(from_pretrained(saved).ln_f.bias, tmp_path / "bias.pt")
    assert (tmp_path / "bias.pt").stat().st_size < 2_000 < (saved / "model.safetensors").stat().st_size


def test_a_file_that_cannot_be_mapped_is_named(saved, monkeypatch):
    def refuse(path, *_):
        raise RuntimeError(f"unable to mmap 16 bytes from file <{path}>: Cannot allocate memory (12)")
    monkeypatch.setattr(torch.UntypedStorage, "from_file", refuse)
    with pytest.raises(OSError, match=r"model\.safetensors cannot be mapped \(unable to mmap.*local disk"):
        from_pretrained(saved)
    assert from_pretrained(saved, dtype=torch.float16).wte.weight.dtype == torch.float16   # it is read, not mapped


def test_torchs_default_device_changes_nothing(model, saved):
    with torch.device("meta"):
        loaded = from_pretrained(saved)
    same(loaded, model)


def test_a_model_without_memory_is_not_initialised(monkeypatch):
    """It would take most of the time of building one."""
    monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, mean=0.0, std=1.0: pytest.fail("nothing to fill") if std < 1 else tensor)
    with torch.device("meta"):
        GPT2(GPT2Config(**SHAPE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_lies_in_contiguous_rows(saved, dtype):
    """One-row products in half precision are many times slower on a transposed view."""
    assert all(parameter.is_contiguous() for parameter in from_pretrained(saved, dtype=dtype).parameters())


# ---------------------------------------------------------------- memory and device

@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    directory = tmp_path_factory.mktemp("larger")
    save_pretrained(GPT2(GPT2Config(n_layer=4, n_head=4, n_embd=256, n_positions=64, vocab_size=4000)), directory)
    return directory


@pytest.mark.parametrize("layout", ["safetensors", "pickle"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_weights_are_held_once(larger, tmp_path, layout, dtype):
    """The most bytes of tensors alive at once; a pickle is read whole, so the file counts where it is the larger."""
    directory, size = larger, 0
    if layout == "pickle":
        shutil.copy(larger / "config.json", tmp_path)
        directory = as_pickle(tmp_path, load_file(larger / "model.safetensors"))
        size = (directory / "pytorch_model.bin").stat().st_size
    loaded = []
    peak = measure.peak_bytes(lambda: loaded.append(from_pretrained(directory, dtype=dtype)))
    weights = sum(p.numel() * p.element_size() for p in loaded[0].parameters())
    assert peak <= 1.15 * max(weights, size), f"{peak / weights:.2f} times the weights"


def test_tensors_are_made_on_the_device_not_moved_there(saved, monkeypatch):
    """The meta device stands for any other: whatever is made in the final dtype is made there, piece by piece."""
    made = []
    real = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: made.append(k.get("device")) or real(*a, **k))
    loaded = from_pretrained(saved, device="meta", dtype=torch.float32)
    assert {p.device.type for p in loaded.parameters()} == {"meta"}
    assert made.count(torch.device("meta")) >= len(loaded.state_dict())


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_on_a_gpu_the_weights_are_there_once(larger, dtype):
    loaded = []
    peak = measure.peak_bytes(lambda: loaded.append(from_pretrained(larger, device="cuda", dtype=dtype)), device="cuda")
    weights = sum(p.numel() * p.element_size() for p in loaded[0].parameters())
    assert {p.device.type for p in loaded[0].parameters()} == {"cuda"} and peak <= 1.15 * weights
    same(loaded[0].cpu(), from_pretrained(larger, dtype=dtype))
