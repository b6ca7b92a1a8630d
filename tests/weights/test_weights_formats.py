"""Every layout of a GPT-2 on disk, and what is refused in each."""
import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gpt2lab.decoder import GPT2
from gpt2lab.weights import (MINI, PREFIX, TRANSPOSED, check_state, conv1d_to_linear, find_weights, from_pretrained, load_state, map_name,
                             read_config, read_safetensors_header)
from weight_folders import SHAPE, as_pickle, edit, same, shake

IDS = torch.tensor([[1, 5, 28, 0, 7], [2, 2, 2, 9, 11]])
BIAS = PREFIX + "h.1.ln_2.bias"


@pytest.fixture
def theirs():
    import transformers
    return shake(transformers.GPT2LMHeadModel(transformers.GPT2Config(**SHAPE, bos_token_id=1, eos_token_id=1)))


# ---------------------------------------------------------------- layouts

@torch.inference_mode()
def test_shards_that_transformers_wrote(theirs, tmp_path):
    theirs.save_pretrained(tmp_path, max_shard_size="3KB")
    assert (tmp_path / "model.safetensors.index.json").is_file() and len(list(tmp_path.glob("*.safetensors"))) > 2
    torch.testing.assert_close(from_pretrained(tmp_path)(IDS).logits, theirs(IDS).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", [PREFIX, ""])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_pickles_with_and_without_prefix_new_and_old(model, saved, prefix, legacy):
    state = {prefix + name.removeprefix(PREFIX): tensor for name, tensor in load_file(saved / "model.safetensors").items()}
    as_pickle(saved, state, _use_new_zipfile_serialization=not legacy)
    same(from_pretrained(saved), model)


@torch.inference_mode()
def test_a_pickle_of_transformers_with_its_head(theirs, tmp_path):
    """Its state_dict names the head beside the embedding it shares memory with."""
    theirs.config.save_pretrained(tmp_path)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    assert "lm_head.weight" in theirs.state_dict()
    torch.testing.assert_close(from_pretrained(tmp_path)(IDS).logits, theirs(IDS).logits, rtol=1e-5, atol=1e-5)


def test_shards_of_pickles(model, saved):
    state = load_file(saved / "model.safetensors")
    parts = {"a.bin": {k: v for k, v in state.items() if "attn" in k}, "b.bin": {k: v for k, v in state.items() if "attn" not in k}}
    for name, part in parts.items():
        torch.save(part, saved / name)
    (saved / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {k: n for n, part in parts.items() for k in part}}))
    (saved / "model.safetensors").unlink()
    same(from_pretrained(saved), model)


def test_linear_matrices_are_known_by_c_attn(model, saved):
    """`torch.save(model.state_dict())` keeps (out, in); the square c_proj must not be turned then."""
    torch.save(model.state_dict(), saved / "linear.pt")
    other = GPT2(model.config)
    load_state(other, saved / "linear.pt")
    same(other, model)
    as_pickle(saved, model.state_dict())
    same(from_pretrained(saved), model)


def test_safetensors_are_taken_before_a_pickle(model, saved):
    torch.save({"wte.weight": torch.zeros(1)}, saved / "pytorch_model.bin")
    same(from_pretrained(saved), model)


def test_a_published_name_is_looked_up_in_the_cache(model, saved, monkeypatch):
    monkeypatch.setattr("gpt2lab.weights.cached_directory", lambda name: saved if name == "gpt2-medium" else None)
    same(from_pretrained("gpt2-medium"), model)


def test_a_published_name_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="gpt2lab download gpt2-large"):
        from_pretrained("gpt2-large")


@pytest.mark.parametrize("stored, ours", [
    ("transformer.h.3.mlp.c_fc.bias", "h.3.mlp.c_fc.bias"), ("h.11.attn.c_attn.weight", "h.11.attn.c_attn.weight"),
    ("transformer.wte.weight", "wte.weight"), ("ln_f.bias", "ln_f.bias"), ("lm_head.weight", None),
    ("h.0.attn.bias", None), ("transformer.h.10.attn.masked_bias", None), ("transformer.h.0.attn.c_attn.bias", "h.0.attn.c_attn.bias"),
    ("model/wte", "wte.weight"), ("model/wpe", "wpe.weight"), ("model/h3/ln_1/g", "h.3.ln_1.weight"), ("model/ln_f/b", "ln_f.bias"),
    ("model/h10/attn/c_attn/w", "h.10.attn.c_attn.weight"), ("model/h0/mlp/c_proj/b", "h.0.mlp.c_proj.bias"),
    ("bert.pooler.weight", "bert.pooler.weight"), ("h.0.attn.biases", "h.0.attn.biases"), ("global_step", "global_step"),
])
def test_names(stored, ours):
    assert map_name(stored) == ours


def test_only_the_four_are_turned():
    matrix = torch.randn(2, 3)
    assert all(torch.equal(conv1d_to_linear(f"h.0.{name}", matrix), matrix.T) for name in TRANSPOSED) and len(TRANSPOSED) == 4
    assert conv1d_to_linear("wte.weight", matrix) is matrix


def test_the_three_lists():
    wanted = {"a": (1,), "b": (2, 3), "c": (4,)}
    assert check_state({"a": (1,), "b": (3, 2), "d": (1,)}, wanted) == {"missing": ["c"], "left over": ["d"], "wrong shape": ["b"]}
    assert not any(check_state(wanted, wanted).values())


# ---------------------------------------------------------------- safetensors, the header

def test_the_header_agrees_with_the_library():
    entries, path = read_safetensors_header(MINI / "model.safetensors"), MINI / "model.safetensors"
    with safe_open(path, framework="pt") as file, path.open("rb") as raw:
        assert entries.keys() == set(file.keys())
        for name, entry in entries.items():
            tensor = file.get_tensor(name)
            raw.seek(entry.start)
            assert (entry.dtype, entry.shape) == (tensor.dtype, tuple(tensor.shape))
            assert raw.read(entry.stop - entry.start) == tensor.contiguous().view(torch.uint8).numpy().tobytes()
    assert [e.start for e in entries.values()] == sorted(e.start for e in entries.values())


def by_hand(path, header: object, numbers: bytes = b"", length: int | None = None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + numbers)
    return path


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize("header, numbers, says", [
    ({"a": ONE}, b"1234567", "end at byte"), ({"a": ONE}, b"123456789", "end at byte"), ({"a": {**ONE, "shape": [3]}}, b"12345678", "3 numbers"),
    ({"a": {**ONE, "dtype": "F99"}}, b"12345678", "F99"), ({"a": {**ONE, "dtype": ["F32"]}}, b"12345678", "described"),
    ({"a": {**ONE, "shape": [-2]}}, b"12345678", "shape"), ({"a": {**ONE, "shape": [2.0]}}, b"12345678", "shape"),
    ({"a": {**ONE, "shape": [True, 2]}}, b"12345678", "shape"), ({"a": {**ONE, "data_offsets": [8, 0]}}, b"12345678", "numbers"),
    ({"a": {**ONE, "data_offsets": [0, 8, 9]}}, b"12345678", "described"), ({"a": 3}, b"12345678", "described"),
    ({"a": ONE, "b": ONE}, b"12345678", "begins at byte"), ({"a": {**ONE, "data_offsets": [1, 9]}}, b"123456789", "begins at byte"),
    ({"a": {**ONE, "shape": [2 ** 61, 2 ** 61]}}, b"12345678", "numbers"), ([], b"", "no table"), (b"{", b"", "claims a header"),
    (b'{"a": ', b"", "no JSON"), (b"\xff\xfe{}", b"", "no JSON"), (b"[" * 100_000, b"", "no JSON"), ({"a": {**ONE, "shape": [1] * 9}}, b"12345678", "shape"),
    (b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', b"12345678", "twice"),
])
def test_a_header_that_lies_is_refused(tmp_path, header, numbers, says):
    with pytest.raises(ValueError, match=rf"bad\.safetensors is no whole safetensors file .*{says}"):
        read_safetensors_header(by_hand(tmp_path / "bad.safetensors", header, numbers))


@pytest.mark.parametrize("length", [0, 1, 10 ** 6, 2 ** 40, 2 ** 63, 2 ** 64 - 1])
def test_a_length_that_lies_allocates_nothing(tmp_path, length):
    with pytest.raises(ValueError, match=f"{length:,}"):
        read_safetensors_header(by_hand(tmp_path / "bad.safetensors", {"a": ONE}, b"12345678", length))


def test_what_is_right_is_read(tmp_path):
    path = by_hand(tmp_path / "good.safetensors", {"__metadata__": {"x": "y"}, "b": {**ONE, "data_offsets": [8, 16]}, "a": ONE}, bytes(16))
    entries = read_safetensors_header(path)
    assert list(entries) == ["a", "b"] and entries["b"].stop == path.stat().st_size


# ---------------------------------------------------------------- what is refused

def code_in(path, marker, **options):
    """A pickle that would make the file `marker` when opened without care."""
    class Evil:
        def __reduce__(self):
            return open, (str(marker), "w")
    torch.save({"wte.weight": torch.zeros(2), "evil": Evil()}, path, **options)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "x.pt", "x.pth"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_code_in_a_pickle_is_not_run(saved, tmp_path, name, legacy):
    (saved / "model.safetensors").unlink()
    code_in(saved / name, tmp_path / "marker", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match="may hold code.*Nothing of it was run.*safetensors"):
        find_weights(saved / name)
    assert not (tmp_path / "marker").exists()
    torch.load(saved / name, weights_only=False)           # the file does what it is said to do
    assert (tmp_path / "marker").exists()


def test_a_plain_pickle_with_code_is_not_run(saved, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "marker"), "w")
    (saved / "x.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"x\.pt"):
        find_weights(saved / "x.pt")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"model": {"wte.weight": torch.zeros(2)}}, {3: torch.zeros(2)},
                                     {"wte.weight": torch.zeros(2).to_sparse()}])
def test_a_pickle_of_more_than_tensors_is_refused(saved, content):
    torch.save(content, saved / "x.pt")
    with pytest.raises(ValueError, match="more than tensors"):
        find_weights(saved / "x.pt")


def test_one_changed_byte_in_a_pickle_is_noticed_by_its_checksum(saved):
    as_pickle(saved, load_file(saved / "model.safetensors"))
    data = bytearray((saved / "pytorch_model.bin").read_bytes())
    place = data.find(load_marker := torch.load(saved / "pytorch_model.bin", weights_only=True)[BIAS].numpy().tobytes())
    assert place > 0 and load_marker
    data[place] ^= 1
    (saved / "pytorch_model.bin").write_bytes(data)
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is no whole PyTorch file"):
        from_pretrained(saved)


def test_a_packed_archive_is_refused_before_it_swells(saved, tmp_path):
    import zipfile
    as_pickle(saved, load_file(saved / "model.safetensors"))
    with zipfile.ZipFile(saved / "pytorch_model.bin") as whole, zipfile.ZipFile(tmp_path / "packed.bin", "w", zipfile.ZIP_DEFLATED) as packed:
        for part in whole.namelist():
            packed.writestr(part, whole.read(part))
    with pytest.raises(ValueError, match="no whole PyTorch file"):
        find_weights(tmp_path / "packed.bin")


@pytest.fixture
def shards(saved):
    state = load_file(saved / "model.safetensors")
    halves = {"one.safetensors": {k: v for k, v in state.items() if "attn" in k}}
    halves["two.safetensors"] = {k: v for k, v in state.items() if "attn" not in k}
    for name, half in halves.items():
        save_file(half, saved / name)
    (saved / "model.safetensors").unlink()

    def index(**changes):
        described = {"weight_map": {**{k: n for n, half in halves.items() for k in half}, **changes}}
        (saved / "model.safetensors.index.json").write_text(json.dumps(described))
        return saved
    return index


def test_shards_by_hand(shards, model):
    same(from_pretrained(shards()), model)


@pytest.mark.parametrize("file", ["../one.safetensors", "/etc/passwd", "..", "a/b.safetensors", "a\\b.bin", "model.safetensors.index.json", 3, None, ["x"]])
def test_an_index_leads_nowhere_else(shards, file):
    with pytest.raises(ValueError, match="model.safetensors.index.json"):
        from_pretrained(shards(**{BIAS: file}))


def test_an_index_and_its_shards_must_agree(shards):
    with pytest.raises(ValueError, match="holds 'transformer.h.1.ln_2.bias'.*says 'one.safetensors'"):
        from_pretrained(shards(**{BIAS: "one.safetensors"}))
    with pytest.raises(ValueError, match="names 'more' in one.safetensors"):
        from_pretrained(shards(more="one.safetensors"))


def test_a_shard_that_is_gone_is_named(shards):
    (shards() / "two.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="two.safetensors"):
        from_pretrained(shards())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": {}}}'])
def test_a_damaged_index_is_refused(shards, content):
    directory = shards()
    (directory / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match="no index of shards"):
        from_pretrained(directory)


def test_one_name_in_two_spellings_is_refused(saved):
    edit(saved, lambda state: state.update({BIAS.removeprefix(PREFIX): state[BIAS].clone()}))
    with pytest.raises(ValueError, match="holds 'h.1.ln_2.bias' twice"):
        from_pretrained(saved)


def test_a_head_of_its_own_is_refused_and_the_tied_one_accepted(model, saved):
    edit(saved, lambda state: state.update({"lm_head.weight": state[PREFIX + "wte.weight"].clone()}))
    same(from_pretrained(saved), model)
    edit(saved, lambda state: state["lm_head.weight"].view(-1)[-1:].add_(1e-3))
    with pytest.raises(ValueError, match="'lm_head.weight' in .* is not 'transformer.wte.weight' again"):
        from_pretrained(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", [BIAS, PREFIX + "h.0.attn.c_proj.weight", PREFIX + "wte.weight"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_number_that_is_none_is_found(saved, value, name, dtype):
    edit(saved, lambda state: state[name].view(-1)[-1:].fill_(value))
    with pytest.raises(ValueError, match=rf"{name!r} in .*model\.safetensors holds NaN or infinity"):
        from_pretrained(saved, dtype=dtype)


def test_large_numbers_are_no_infinity_but_do_not_fit_everywhere(saved):
    edit(saved, lambda state: state[BIAS].fill_(3e38))     # their sum is infinite, they are not
    assert from_pretrained(saved).h[1].ln_2.bias[0] == 3e38
    assert from_pretrained(saved, dtype=torch.bfloat16).h[1].ln_2.bias.isfinite().all()
    with pytest.raises(ValueError, match="too large for torch.float16.*bfloat16"):
        from_pretrained(saved, dtype=torch.float16)


def test_a_causal_mask_may_hold_infinity(model, saved):
    """Older files keep the mask of each layer, which is no weight."""
    edit(saved, lambda state: state.update({PREFIX + "h.0.attn.masked_bias": torch.tensor(-torch.inf)}))
    same(from_pretrained(saved), model)
    edit(saved, lambda state: state[BIAS].view(-1)[:1].fill_(torch.inf))
    with pytest.raises(ValueError, match=f"{BIAS!r} in .* holds NaN or infinity"):
        from_pretrained(saved)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_one_number_that_is_none_is_found_among_several_types(model, saved, kind):
    edit(saved, lambda state: state.update({BIAS: state[BIAS].to(kind)}))
    assert from_pretrained(saved).h[1].ln_2.bias.dtype == torch.float32
    edit(saved, lambda state: state[PREFIX + "wpe.weight"].view(-1)[:1].fill_(torch.nan))
    with pytest.raises(ValueError, match="wpe.weight.* holds NaN or infinity"):
        from_pretrained(saved)


def test_whole_numbers_are_no_weights(saved):
    edit(saved, lambda state: state.update({BIAS: torch.zeros(12, dtype=torch.int8)}))
    with pytest.raises(ValueError, match=r"h\.1\.ln_2\.bias.*torch\.int8"):
        from_pretrained(saved)


@pytest.mark.parametrize("dtype", ["float16", torch.int8, torch.bool, torch.complex64])
def test_a_dtype_that_holds_no_weights_is_refused(saved, dtype):
    with pytest.raises(ValueError, match=f"dtype={dtype!r}"):
        from_pretrained(saved, dtype=dtype)


@pytest.mark.parametrize("changes, says", [
    ({"n_layer": 10 ** 9}, "n_layer=1000000000.*weights of 2 blocks"), ({"n_layer": 3}, "n_layer=3"), ({"n_layer": 2.0}, "n_layer=2.0"),
    ({"vocab_size": True}, "vocab_size=True"), ({"n_inner": 40}, "n_inner=40"), ({"add_cross_attention": True}, "add_cross_attention"),
    ({"layer_norm_epsilon": -1e-5}, "layer_norm_epsilon"), ({"resid_pdrop": "0"}, "resid_pdrop"), ({"embd_pdrop": 1.5}, "embd_pdrop=1.5"),
    ({"n_embd": 10 ** 30}, "n_embd="), ({"vocab_size": 2 ** 30}, r"wte\.weight"), ({"n_layer": 1}, r"h\.1\."),
])
def test_a_config_that_does_not_fit_is_refused_quickly(saved, changes, says):
    described = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**described, **changes}))
    with pytest.raises(ValueError, match=says):
        from_pretrained(saved)


@pytest.mark.parametrize("name", ["n_layer", "n_head", "n_embd", "n_positions", "vocab_size"])
def test_a_config_without_one_of_the_five_numbers_is_refused(saved, name):
    described = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({k: v for k, v in described.items() if k != name}))
    with pytest.raises(ValueError, match=f"{name}=None"):
        read_config(saved)


def test_the_published_config_is_accepted(saved):
    """The keys of the published gpt2 that are not ours must not disturb."""
    described = json.loads((saved / "config.json").read_text())
    described |= {"n_ctx": 10, "n_inner": None, "summary_type": "cls_index", "task_specific_params": {"text-generation": {"do_sample": True}},
                  "scale_attn_weights": True, "reorder_and_upcast_attn": False}
    (saved / "config.json").write_text(json.dumps(described))
    assert read_config(saved).n_embd == 12


def test_a_folder_without_weights_lists_what_could_be_there(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model.safetensors.*pytorch_model.bin.*model.ckpt"):
        from_pretrained(saved)


@pytest.mark.parametrize("name, error, says", [("weights.npz", ValueError, "ending"), ("none.bin", FileNotFoundError, "none.bin")])
def test_a_file_of_another_kind(tmp_path, name, error, says):
    (tmp_path / "weights.npz").write_bytes(b"x")
    with pytest.raises(error, match=says):
        find_weights(tmp_path / name)
