"""Saving, loading, other programs reading our files, and damaged files named with their mend."""
import json
import os
import subprocess
import sys

import pytest

from gpt2lab.tokenizer import Tokenizer, find_gpt2_merges, parse_gpt2_merges, parse_merges, train_bpe

EOT = "<|endoftext|>"
TEXT = "The weather whispered to the feather.\n\n\tÀ bientôt 👋🏽 #version: 0.2 ## \u00a0\u00ad\x00\x7f"


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([TEXT * 2], 320, special_tokens=(EOT, "<|user|>"))


@pytest.fixture
def folder(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    return tmp_path


def test_what_is_saved_is_loaded(tokenizer, folder):
    again = Tokenizer.load(folder)
    assert (again.vocab, again.merges, again.special_tokens) == (tokenizer.vocab, tokenizer.merges, tokenizer.special_tokens)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_saving_twice_writes_the_same_bytes_without_carriage_returns(tokenizer, folder, tmp_path):
    Tokenizer.load(str(folder)).save(tmp_path / "new" / "folder")
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "new" / "folder" / name).read_bytes()
        assert b"\r" not in (folder / name).read_bytes()


def test_transformers_reads_our_files(tokenizer, folder):
    from transformers import AutoTokenizer, GPT2Tokenizer

    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    for theirs in (GPT2Tokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)):
        assert theirs.encode(TEXT) == tokenizer.encode(TEXT)
        assert theirs.encode(f"a{EOT}b<|user|>") == tokenizer.encode(f"a{EOT}b<|user|>", allowed_special="all")
        assert (len(theirs), theirs.eos_token_id) == (tokenizer.n_vocab, tokenizer.eot_token)
        assert theirs.decode(tokenizer.encode(TEXT)) == TEXT


def test_files_that_transformers_wrote_are_loaded(tokenizer, folder, tmp_path):
    """Older folders have no added_tokens_decoder, and files may come with Windows line endings."""
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 1024}')
    (folder / "merges.txt").write_bytes((folder / "merges.txt").read_bytes().replace(b"\n", b"\r\n"))
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    del vocab["<|user|>"]
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    again = Tokenizer.load(folder)
    assert (again.merges, again.special_tokens) == (tokenizer.merges, {EOT: tokenizer.eot_token})
    (folder / "tokenizer_config.json").unlink()
    assert Tokenizer.load(folder).special_tokens == {EOT: tokenizer.eot_token}


def test_only_the_first_line_can_be_a_heading():
    assert parse_merges("#version: 0.2\n#version s\n") == [(b"#version", b"s")]
    assert parse_merges("a b\n# #\n") == [(b"a", b"b"), (b"#", b"#")]


def edit_vocab(folder, change):
    path = folder / "vocab.json"
    vocab = json.loads(path.read_text(encoding="utf-8"))
    change(vocab)
    path.write_text(json.dumps(vocab), encoding="utf-8")


def edit_bytes(folder, name, change):
    (folder / name).write_bytes(change((folder / name).read_bytes()))


DAMAGE = {
    "vocab cut off": (lambda f: edit_bytes(f, "vocab.json", lambda b: b[:500]), "vocab.json is damaged: .* at line 1, column"),
    "vocab empty": (lambda f: edit_bytes(f, "vocab.json", lambda b: b""), "vocab.json is damaged"),
    "vocab not UTF-8": (lambda f: edit_bytes(f, "vocab.json", lambda b: b[:9] + b"\xff" + b[9:]), "byte 9 is not UTF-8"),
    "vocab a list": (lambda f: edit_bytes(f, "vocab.json", lambda b: b"[1]"), "holds a list"),
    "token twice": (lambda f: edit_bytes(f, "vocab.json", lambda b: b.replace(b"{", b'{"a": 64, ', 1)), "'a' is listed more than once"),
    "ids shared": (lambda f: edit_vocab(f, lambda v: v.update(b=v["a"])), "'a' and 'b' share id 64"),
    "id a string": (lambda f: edit_vocab(f, lambda v: v.update(a="64")), "id '64' of 'a'"),
    "id a list": (lambda f: edit_vocab(f, lambda v: v.update(a=[64])), r"\[64\]"),
    "id negative": (lambda f: edit_vocab(f, lambda v: v.update(a=-3)), "id -3"),
    "byte missing": (lambda f: edit_vocab(f, lambda v: v.pop("a")), "first is b'a'"),
    "token of no bytes": (lambda f: edit_vocab(f, lambda v: v.update({"天": 900})), "'天' .*stands for no byte"),
    "token without merge": (lambda f: edit_vocab(f, lambda v: v.update({"qq": 900})), "b'qq' is neither a byte nor made by a merge"),
    "merged token missing": (lambda f: edit_vocab(f, lambda v: v.pop("he")), "b'he' has no id"),
    "merges cut off": (lambda f: edit_bytes(f, "merges.txt", lambda b: b[:200]), "merges.txt, line|neither a byte nor made by a merge"),
    "merge of unknown": (lambda f: edit_bytes(f, "merges.txt", lambda b: b + b"qq zz\n"), "b'qq' has no id"),
    "merge of three": (lambda f: edit_bytes(f, "merges.txt", lambda b: b + b"a b c\n"), "line .*'a b c' is not two tokens"),
    "merge of no bytes": (lambda f: edit_bytes(f, "merges.txt", lambda b: b + "a 天\n".encode()), "'天'.*stands for no byte"),
    "merge twice": (lambda f: edit_bytes(f, "merges.txt", lambda b: b + b.splitlines()[1] + b"\n"), "listed more than once"),
    "config cut off": (lambda f: edit_bytes(f, "tokenizer_config.json", lambda b: b[:40]), "tokenizer_config.json is damaged"),
    "config's tokens a list": (lambda f: edit_bytes(f, "tokenizer_config.json", lambda b: b'{"added_tokens_decoder": [1]}'),
                               "added_tokens_decoder"),
    "config's id no number": (lambda f: edit_bytes(f, "tokenizer_config.json",
                                                   lambda b: b'{"added_tokens_decoder": {"x": {"content": "<|a|>"}}}'), "added_tokens_decoder"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_named_with_the_mend(folder, name):
    damage, says = DAMAGE[name]
    damage(folder)
    with pytest.raises(ValueError, match=says) as caught:
        Tokenizer.load(folder)
    assert any(mend in str(caught.value) for mend in ("copy the file again", "load the vocabulary again", "add its merge"))


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        Tokenizer.load(folder)


def test_gpt2_absent_is_said_at_once_and_nothing_is_fetched(tmp_path, monkeypatch):
    import socket

    def no_network(*_arguments, **_keywords):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="gpt2lab download gpt2"):
        Tokenizer.gpt2()


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", "tempdir"])
def test_tiktokens_cache_is_found_where_tiktoken_keeps_it(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    where = tmp_path
    if variable == "tempdir":
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        where = tmp_path / "data-gym-cache"
        where.mkdir()
    else:
        monkeypatch.setenv(variable, str(tmp_path))
    file = where / "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"
    file.write_bytes(b"#version: 0.2\n")
    assert find_gpt2_merges() == file
    with pytest.raises(ValueError, match=r"merges is damaged.*gpt2lab download gpt2"):
        parse_gpt2_merges(file.read_bytes())
    assert file.exists()                                     # tiktoken itself deletes a damaged file


def test_what_gpt2lab_download_fetched_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--openai-community--gpt2"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    file = kept / "snapshots" / ("0" * 40) / "merges.txt"
    file.parent.mkdir(parents=True)
    file.write_text("#version: 0.2\n")
    assert find_gpt2_merges() == file


def test_importing_the_tokenizer_imports_neither_torch_nor_tiktoken():
    code = "import sys, gpt2lab.tokenizer; print(sorted({'torch', 'tiktoken', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=dict(os.environ)).stdout.strip() == "[]"
