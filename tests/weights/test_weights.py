"""Checkpoints: what we write transformers reads and the other way round, and what is not whole is refused."""
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.tokenizer import Tokenizer
from gpt2lab.weights import MINI, from_pretrained, save_pretrained
from weight_folders import SHAPE, shake

IDS = torch.tensor([[1, 5, 28, 0, 7], [2, 2, 2, 9, 11]])


def hugging_face(**more):
    import transformers
    return shake(transformers.GPT2LMHeadModel(transformers.GPT2Config(**SHAPE, **more)))


@torch.inference_mode()
def logits(model) -> torch.Tensor:
    return model(IDS).logits


def edit(directory, change) -> None:
    """Rewrite model.safetensors after `change` has altered its dict of tensors."""
    state = load_file(directory / "model.safetensors")
    change(state)
    save_file(state, directory / "model.safetensors")


def reconfigure(directory, **changes) -> None:
    described = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**described, **changes}))


def test_what_was_saved_comes_back_bit_for_bit(model, saved):
    again = from_pretrained(saved)
    assert again.config == model.config and not again.training
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_saving_twice_gives_the_same_bytes(model, saved, tmp_path):
    save_pretrained(model, tmp_path / "twice")
    for name in ("config.json", "model.safetensors"):
        assert (saved / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()


def test_transformers_reads_what_we_write(model, saved):
    import transformers
    theirs, report = transformers.GPT2LMHeadModel.from_pretrained(saved, local_files_only=True, output_loading_info=True)
    assert not report["unexpected_keys"] and not report["mismatched_keys"] and not set(report["missing_keys"]) - {"lm_head.weight"}
    torch.testing.assert_close(logits(theirs.eval()), logits(model), rtol=1e-5, atol=1e-5)


def test_we_read_what_transformers_writes(tmp_path):
    theirs = hugging_face()
    theirs.save_pretrained(tmp_path)
    torch.testing.assert_close(logits(from_pretrained(tmp_path)), logits(theirs), rtol=1e-5, atol=1e-5)


def test_we_read_the_bare_names_of_the_published_files(tmp_path):
    """The published GPT-2 has no `transformer.` before its names, and carries its causal masks along."""
    theirs = hugging_face()
    theirs.save_pretrained(tmp_path)
    edit(tmp_path, lambda state: [state.__setitem__(name.removeprefix("transformer."), state.pop(name)) for name in list(state)])
    edit(tmp_path, lambda state: state.update({"h.0.attn.bias": torch.ones(1, 1, 10, 10).tril()}))
    torch.testing.assert_close(logits(from_pretrained(tmp_path)), logits(theirs), rtol=1e-5, atol=1e-5)


def test_the_square_projection_is_transposed_too(model, saved):
    """Its shape cannot betray a forgotten transpose: only its numbers can."""
    on_disk = load_file(saved / "model.safetensors")["transformer.h.0.attn.c_proj.weight"]
    assert torch.equal(on_disk, model.h[0].attn.c_proj.weight.T) and not torch.equal(on_disk, on_disk.T)


def test_the_head_is_not_stored_twice(saved):
    assert not any("lm_head" in name for name in load_file(saved / "model.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_are_kept_on_disk_and_chosen_on_reading(model, tmp_path, dtype):
    save_pretrained(model, tmp_path, dtype=dtype)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {dtype}
    assert {p.dtype for p in from_pretrained(tmp_path).parameters()} == {torch.float32}
    assert {p.dtype for p in from_pretrained(tmp_path, dtype=dtype).parameters()} == {dtype}
    assert model.wte.weight.dtype == torch.float32, "saving must not change the model"


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 1000, -1])
def test_a_truncated_file_is_refused(saved, kept):
    whole = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is no whole safetensors file.*again"):
        from_pretrained(saved)


@pytest.mark.parametrize("place", [0, 3, 20, 200])
def test_a_damaged_header_is_refused(saved, place):
    data = bytearray((saved / "model.safetensors").read_bytes())
    data[place] ^= 0xFF
    (saved / "model.safetensors").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        from_pretrained(saved)


def test_a_pickle_under_the_name_is_not_opened(saved):
    torch.save({"wte.weight": torch.zeros(3)}, saved / "model.safetensors")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        from_pretrained(saved)


def test_a_missing_tensor_is_named(saved):
    edit(saved, lambda state: (state.pop("transformer.h.1.ln_2.bias"), state.pop("transformer.wpe.weight")))
    with pytest.raises(ValueError, match=r"lacks 2 tensors, the first is 'h\.1\.ln_2\.bias'"):
        from_pretrained(saved)


def test_a_single_missing_tensor_is_counted_in_the_singular(saved):
    edit(saved, lambda state: state.pop("transformer.wpe.weight"))
    with pytest.raises(ValueError, match=r"lacks 1 tensor, 'wpe\.weight'"):
        from_pretrained(saved)


def test_an_extra_tensor_is_named(saved):
    edit(saved, lambda state: state.update({"transformer.h.2.ln_1.bias": torch.zeros(12)}))
    with pytest.raises(ValueError, match=r"transformer\.h\.2\.ln_1\.bias.*another model"):
        from_pretrained(saved)


def test_a_wrong_shape_is_given_with_the_right_one(saved):
    edit(saved, lambda state: state.update({"transformer.h.0.mlp.c_fc.weight": torch.zeros(48, 12)}))
    with pytest.raises(ValueError, match=r"h\.0\.mlp\.c_fc\.weight.*\(12, 48\).*\(48, 12\)"):
        from_pretrained(saved)


def test_a_config_of_another_size_is_refused(saved):
    reconfigure(saved, n_embd=24)
    with pytest.raises(ValueError, match=r"does not fit: config\.json asks for"):
        from_pretrained(saved)


@pytest.mark.parametrize("changes, names", [
    ({"model_type": "llama"}, "llama"), ({"activation_function": "relu"}, "relu"),
    ({"scale_attn_weights": False}, "scale_attn_weights"), ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ({"tie_word_embeddings": False}, "tie_word_embeddings"), ({"n_head": 5}, "5"), ({"n_head": 0}, "0"), ({"n_layer": "two"}, "two"),
])
def test_another_architecture_is_refused_by_name(saved, changes, names):
    reconfigure(saved, **changes)
    with pytest.raises(ValueError, match=names):
        from_pretrained(saved)


@pytest.mark.parametrize("content", ["", "{\"n_layer\": 2", "[]", "null", "\"gpt2\""])
def test_a_damaged_config_is_refused(saved, content):
    (saved / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        from_pretrained(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=name.replace(".", r"\.")):
        from_pretrained(saved)


def test_a_failed_save_leaves_the_old_model_whole(model, saved, monkeypatch):
    before = {name: (saved / name).read_bytes() for name in ("config.json", "model.safetensors")}

    def disk_full(state, path, **_):
        path.write_bytes(b"half")
        raise OSError("no space left on device")
    monkeypatch.setattr("gpt2lab.weights.save_file", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_pretrained(shake(GPT2(GPT2Config(**{**SHAPE, "n_layer": 1}))), saved)
    assert {name: (saved / name).read_bytes() for name in before} == before


def test_a_file_that_is_held_stays_and_the_mend_is_named(model, saved, monkeypatch):
    """Windows replaces no file that somebody is mapped to, as a float32 model is to the file it came from."""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def held(self, target):
        raise PermissionError(13, "Access is denied", str(target))
    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(PermissionError, match=r"model\.safetensors cannot be replaced.*another folder"):
        save_pretrained(shake(GPT2(GPT2Config(**{**SHAPE, "n_layer": 1}))), saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def adapted(model: GPT2) -> GPT2:
    from gpt2lab.lora import add_lora
    return add_lora(model, r=2, alpha=4) or model


def with_one(value: float) -> Callable[[GPT2], GPT2]:
    def change(model: GPT2) -> GPT2:
        with torch.no_grad():
            model.h[1].mlp.c_fc.weight[3, 2] = value
        return model
    return change


@pytest.mark.parametrize("change, dtype, says", [
    (adapted, None, r"h\.0\.attn\.c_attn\.base\.bias.*merge_lora"),
    (with_one(1e6), torch.float16, r"h\.1\.mlp\.c_fc\.weight.*too large for torch\.float16.*bfloat16"),
    (with_one(float("nan")), None, r"h\.1\.mlp\.c_fc\.weight.*NaN or infinity"),
    (lambda model: model, torch.int8, r"torch\.int8.*torch\.float16"),
    (lambda model: model.to("meta"), None, "no numbers"),
], ids=["adapters", "too large", "nan", "whole numbers", "meta"])
def test_what_could_not_be_read_again_is_not_written_over_what_can(model, saved, change, dtype, says):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(ValueError, match=says):
        save_pretrained(change(model), saved, dtype)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    with pytest.raises(ValueError):
        save_pretrained(model, saved.parent / "new", dtype)
    assert not (saved.parent / "new").exists()


def test_mini_is_whole_small_and_speaks_its_own_vocabulary():
    mini, tokenizer = from_pretrained("mini"), Tokenizer.load(MINI)
    assert tokenizer.n_vocab == mini.config.vocab_size and tokenizer.eot_token == tokenizer.n_vocab - 1
    assert sum(path.stat().st_size for path in MINI.iterdir()) <= 20e6
    assert mini.config.n_positions >= 256 and 4e6 <= sum(p.numel() for p in mini.parameters()) <= 8e6
    assert "Held-out" in (MINI / "README.md").read_text(encoding="utf-8"), "the model card stands beside the weights"


def test_transformers_runs_mini(tmp_path):
    import transformers
    shutil.copytree(MINI, tmp_path / "mini")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "mini", local_files_only=True, dtype=torch.float32).eval()
    ids = torch.arange(40)[None] * 7
    with torch.inference_mode():
        torch.testing.assert_close(theirs(ids).logits, from_pretrained("mini")(ids).logits, rtol=1e-4, atol=1e-4)
