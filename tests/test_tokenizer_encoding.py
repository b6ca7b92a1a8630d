"""Encoding and decoding: special tokens, batches, and every kind of bad input."""
import random
import re
import sys
import unicodedata

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2lab.tokenizer import Tokenizer, check_text, cut_long_space, number_tokens, train_bpe

TEXT = "The weather whispered to the feather: whether you gather is up to you.\n\n    if x:\n        return 'there'  \n" * 3
EOT = "<|endoftext|>"


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([TEXT, "Déjà vu 👋🏽 天気"], 380)


def assigned(text: str) -> bool:
    """Letters newer than this Python's Unicode are left out: `regex` and tiktoken may know different editions."""
    return all(unicodedata.category(char) != "Cn" for char in text)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.text("the wafr\n\t '1é👋", max_size=80)))
def test_by_rank_equals_the_compiled_core_and_decodes_back(tokenizer, text):
    ids = tokenizer.encode(text, disallowed_special=())
    assert tokenizer.decode(ids) == text
    if assigned(text):
        assert tokenizer.encode_by_rank(text) == ids


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab ", max_size=12), min_size=1, max_size=6), st.text("ab ", max_size=40))
def test_by_rank_equals_the_core_for_any_trained_vocabulary(texts, text):
    trained = train_bpe(texts, 290)
    assert trained.encode_by_rank(text) == trained.encode(text)


def test_to_tiktoken_has_the_same_ids(tokenizer):
    theirs = tokenizer.to_tiktoken()
    assert theirs.encode(TEXT) == tokenizer.encode(TEXT)
    assert (theirs.n_vocab, theirs.eot_token) == (tokenizer.n_vocab, tokenizer.eot_token)
    assert theirs.encode(EOT, allowed_special="all") == [tokenizer.eot_token]


def test_empty_text(tokenizer):
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""
    assert list(tokenizer.encode_iterable([])) == list(tokenizer.encode_iterable([""])) == []


# special tokens: as tiktoken

def test_special_text_is_refused_by_default(tokenizer):
    with pytest.raises(ValueError, match=r"<\|endoftext\|>.*position 2.*allowed_special"):
        tokenizer.encode("ab" + EOT)


def test_special_text_is_honoured_or_read_as_letters_on_demand(tokenizer):
    honoured = tokenizer.encode(f"the{EOT}the", allowed_special={EOT})
    assert honoured == [*tokenizer.encode("the"), tokenizer.eot_token, *tokenizer.encode("the")]
    assert tokenizer.encode(f"the{EOT}the", allowed_special="all") == honoured
    letters = tokenizer.encode(f"the{EOT}the", disallowed_special=())
    assert letters == tokenizer.encode_ordinary(f"the{EOT}the")
    assert tokenizer.eot_token not in letters
    assert tokenizer.decode(letters) == tokenizer.decode(honoured) == f"the{EOT}the"


@pytest.mark.parametrize("keywords", [
    {}, {"allowed_special": "all"}, {"allowed_special": {EOT}}, {"disallowed_special": ()}, {"disallowed_special": {EOT}},
    {"disallowed_special": {"weather"}}, {"allowed_special": {EOT}, "disallowed_special": {"nothing"}},
])
@pytest.mark.parametrize("text", ["weather", f"a {EOT} b", f"{EOT}{EOT}", "<|endoftext|"])
def test_special_semantics_equal_tiktokens(tokenizer, text, keywords):
    def outcome(encode):
        try:
            return encode(text, **keywords)
        except ValueError:
            return "refused"
    assert outcome(tokenizer.encode) == outcome(tokenizer.to_tiktoken().encode)


def test_unknown_special_tokens_are_named(tokenizer):
    with pytest.raises(ValueError, match=r"unknown special token '<\|nope\|>'.*endoftext"):
        tokenizer.encode("a", allowed_special={"<|nope|>"})
    with pytest.raises(ValueError, match="pass \"all\" or a set"):
        tokenizer.encode("a", allowed_special=EOT)
    with pytest.raises(ValueError, match="unknown special token"):
        list(tokenizer.encode_iterable(["a"], allowed_special={"<|nope|>"}))


def test_eot_token_when_there_is_none():
    with pytest.raises(ValueError, match="endoftext.*special_tokens"):
        _ = train_bpe(["a"], 256, special_tokens=()).eot_token


# bad input

@pytest.mark.parametrize(("text", "where"), [("\ud83d", 0), ("ab\udc00c", 2), ("👋\ud800", 1)])
def test_lone_surrogates_are_named_with_a_mend_that_works(tokenizer, text, where):
    with pytest.raises(ValueError, match=rf"text\[{where}\].*surrogate.*utf-16"):
        tokenizer.encode(text)
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tokenizer.decode(tokenizer.encode(mended)) == mended
    with pytest.raises(ValueError, match="surrogate"):
        list(tokenizer.encode_iterable([text]))


@pytest.mark.parametrize("text", [b"bytes", None, 7, ["a"]])
def test_text_must_be_a_str(text):
    with pytest.raises(ValueError, match="must be a str"):
        check_text(text)


@pytest.mark.parametrize("wrong", [-1, 5000, 10**9, 1.5, "a", None, [1]])
def test_ids_out_of_range_are_named(tokenizer, wrong):
    with pytest.raises(ValueError, match=f"{re.escape(repr(wrong))} is not a token id.*0 to {tokenizer.n_vocab - 1}"):
        tokenizer.decode([1, wrong, 2])


def test_decoding_takes_tensors_and_replaces_half_characters(tokenizer):
    ids = tokenizer.encode("天気")
    assert tokenizer.decode(torch.tensor(ids)) == "天気"
    half = [tokenizer.ids[bytes([b])] for b in "天".encode()[:2]]
    assert tokenizer.decode(half) == "\ufffd"
    assert tokenizer.decode_bytes(half) == "天".encode()[:2]
    with pytest.raises(ValueError, match="utf-8"):
        tokenizer.decode(half, errors="strict")


@pytest.mark.parametrize("text", [
    "a" * 10**6, " " * 10**6, "x" + " " * 10**6 + "y", "\n" * 300_000 + "the end", "!" * 10**6,
    "the \u3000" + "\u2003" * 200_000 + "weather" + "\t" * 150_000 + " x",
])
def test_a_million_characters_without_a_word_border(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert list(tokenizer.encode_iterable([text])) == ids


def test_long_spaces_are_cut_where_pretokens_end(tokenizer):
    text = "the" + " " * 20_000 + "weather" + "\n" * 15_000 + "you"
    assert "".join(cut_long_space(text)) == text
    assert [i for part in cut_long_space(text) for i in tokenizer.encode(part)] == tokenizer.to_tiktoken().encode(text)


# vocabularies that do not fit together

BYTES = number_tokens([])


@pytest.mark.parametrize(("vocab", "merges", "special", "says"), [
    ({**BYTES, 256: b"ab"}, [], {}, "b'ab' is neither a byte nor made by a merge"),
    (BYTES, [(b"a", b"b")], {}, r"merge 0 joins b'a' and b'b', but b'ab' has no id"),
    ({**BYTES, 256: b"abc"}, [(b"ab", b"c")], {}, "merge 0 .*b'ab' has no id"),
    ({i: t for i, t in BYTES.items() if t != b"a"}, [], {}, "1 of the 256 single bytes have no id, the first is b'a'"),
    ({**BYTES, 256: b"a"}, [], {}, r"b'a' has 2 ids"),
    ({**BYTES, -1: b"ab"}, [], {}, "id -1 of token b'ab'"),
    ({**BYTES, "256": b"ab"}, [], {}, "id '256'"),
    ({**BYTES, 256: "ab"}, [], {}, "'ab' .*must be bytes"),
    ({**BYTES, 256: b"ab"}, [(b"a", b"b"), (b"a", b"b")], {}, "listed more than once"),
    (BYTES, [], {EOT: 7}, "share id 7: give .* id 256"),
    (BYTES, [], {EOT: 256, "<|x|>": 256}, "share an id"),
    (BYTES, [], {"": 256}, "must not be empty"),
])
def test_vocabularies_that_do_not_fit_are_named(vocab, merges, special, says):
    with pytest.raises(ValueError, match=says):
        Tokenizer(vocab, merges, special)


def test_a_special_token_may_also_stand_in_the_vocabulary():
    both = Tokenizer({**BYTES, 256: EOT.encode()}, [], {EOT: 256})
    assert both.encode(EOT, allowed_special="all") == [256]
    assert len(both.encode(EOT, disallowed_special=())) == len(EOT)


def test_ids_in_any_order_that_grows_with_the_merges():
    shifted = Tokenizer({0: EOT.encode(), **{i + 1: t for i, t in BYTES.items()}, 257: b"ab"}, [(b"a", b"b")], {EOT: 0})
    assert shifted.encode("ab" + EOT, allowed_special="all") == [257, 0]
    assert shifted.decode([257, 0]) == "ab" + EOT
    backwards = Tokenizer({**BYTES, 256: b"cd", 257: b"ab"}, [(b"a", b"b"), (b"c", b"d")])
    with pytest.raises(ValueError, match="do not grow with the merges"):
        backwards.encode("ab")


# batches

def test_batches_pad_left_by_default_and_mask_the_pads(tokenizer):
    batch = tokenizer.encode_batch(["the weather", "x", ""])
    a, b = tokenizer.encode("the weather"), tokenizer.encode("x")
    pad, n = tokenizer.eot_token, len(a)
    assert batch["input_ids"].tolist() == [a, [pad] * (n - 1) + b, [pad] * n]
    assert batch["attention_mask"].tolist() == [[1] * n, [0] * (n - 1) + [1], [0] * n]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == torch.int64
    right = tokenizer.encode_batch(["the weather", "x"], padding_side="right")
    assert right["input_ids"][1].tolist() == b + [pad] * (n - 1)
    assert right["attention_mask"][1].tolist() == [1] + [0] * (n - 1)


def test_batches_are_cut_to_max_length(tokenizer):
    ids = tokenizer.encode("the weather")
    assert len(ids) > 1
    assert tokenizer.encode_batch(["the weather", "x"], max_length=1)["input_ids"].tolist() == [ids[:1], tokenizer.encode("x")]
    assert tokenizer.encode_batch(["x"], max_length=99)["input_ids"].shape == (1, 1)
    assert tokenizer.encode_batch([])["input_ids"].shape == (0, 0)


@pytest.mark.parametrize(("keywords", "says"), [({"max_length": 0}, "max_length=0"), ({"max_length": 1.5}, "max_length=1.5"),
                                                ({"padding_side": "middle"}, "padding_side='middle'")])
def test_bad_batches_are_named(tokenizer, keywords, says):
    with pytest.raises(ValueError, match=says):
        tokenizer.encode_batch(["a"], **keywords)
    with pytest.raises(ValueError, match="list of texts"):
        tokenizer.encode_batch("one text")
    with pytest.raises(ValueError, match="special token"):
        tokenizer.encode_batch([EOT])
    assert tokenizer.encode_batch([EOT], allowed_special="all")["input_ids"].tolist() == [[tokenizer.eot_token]]


def test_all_code_points_survive(tokenizer):
    points = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    random.Random(0).shuffle(points)
    text = "".join(map(chr, points[:200_000]))
    assert tokenizer.decode(tokenizer.encode(text)) == text
