"""GPT-2's own vocabulary: the same ids as tiktoken on ten thousand made-up strings, WikiText-2 and Shakespeare.

Needs the reference data: the environment variable GPT2LAB_REFERENCE names its folder.
"""
import os
import random
import shutil
import unicodedata
from pathlib import Path

import pytest

from gpt2lab.tokenizer import Tokenizer

REFERENCE = os.environ.get("GPT2LAB_REFERENCE")
pytestmark = pytest.mark.skipif(not REFERENCE or not Path(REFERENCE, "tiktoken_cache").is_dir(),
                                reason="GPT2LAB_REFERENCE names no folder with tiktoken_cache (GPT-2's vocabulary files)")
EOT = "<|endoftext|>"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(ours, tiktoken's), from a copy of the cache: tiktoken deletes files it believes damaged."""
    import tiktoken

    cache = tmp_path_factory.mktemp("tiktoken") / "cache"
    shutil.copytree(Path(REFERENCE) / "tiktoken_cache", cache)
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)
    try:
        yield Tokenizer.gpt2(), tiktoken.get_encoding("gpt2")
    finally:
        os.environ.pop("TIKTOKEN_CACHE_DIR") if before is None else os.environ.update(TIKTOKEN_CACHE_DIR=before)


def strings(seed: int, count: int):
    """Made-up strings of every kind: any code point, single scripts, spaces in runs, endings, digits, code, emoji."""
    rng = random.Random(seed)
    any_point = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    spaces = [" ", "  ", "\n", "\n\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\u200b"]
    words = ["the", "The", "I'll", "don't", "WE'RE", "'s", "naïve", "Straße", "日本語", "हिन्दी", "عربى", "e\u0301", "x1", "12345", "²½", "٣",
             "!?", "...", "👋🏽", "👩‍👩‍👧", "🇪🇺", "def f(x):", "<|endoftext", "\ufffd", "\x00", "ǅ", "ﬁ", "\U000e0041"]
    for _ in range(count):
        kind = rng.random()
        if kind < 0.35:
            yield "".join(chr(rng.choice(any_point)) for _ in range(rng.randint(0, 20)))
        elif kind < 0.6:
            start = rng.choice(any_point)
            yield "".join(chr(c) for c in (min(0x10FFFF, start + rng.randint(0, 60)) for _ in range(rng.randint(1, 30)))
                          if not 0xD800 <= c < 0xE000)
        else:
            yield "".join(rng.choice(words if rng.random() < 0.6 else spaces) for _ in range(rng.randint(1, 20)))


def test_the_vocabulary_is_gpt2s(pair):
    ours, theirs = pair
    assert (ours.n_vocab, ours.eot_token, len(ours.merges)) == (theirs.n_vocab, theirs.eot_token, 50_000) == (50_257, 50_256, 50_000)
    assert all(theirs.decode_single_token_bytes(i) == token for i, token in ours.vocab.items())
    assert ours.encode("Hello world") == [15496, 995]


def test_ten_thousand_made_up_strings_have_tiktokens_ids(pair):
    ours, theirs = pair
    by_rank = 0
    for text in strings(0, 12_000):
        expected = theirs.encode(text, disallowed_special=())
        assert ours.encode(text, disallowed_special=()) == expected
        assert ours.decode(expected) == text
        if all(unicodedata.category(char) != "Cn" for char in text):     # newer letters: editions of Unicode differ
            assert ours.encode_by_rank(text) == expected
            by_rank += 1
    assert by_rank > 5_000


@pytest.mark.parametrize(("name", "tokens"), [("wikitext2_raw_test.txt", 286_221), ("tinyshakespeare.txt", 338_025)])
def test_whole_books_have_tiktokens_ids(pair, name, tokens):
    ours, theirs = pair
    text = (Path(REFERENCE) / name).read_bytes().decode()
    expected = theirs.encode(text, disallowed_special=())
    assert len(expected) == tokens
    assert ours.encode(text, disallowed_special=()) == expected
    assert ours.encode_by_rank(text) == expected
    rng = random.Random(0)
    pieces, at = [], 0
    while at < len(text):
        pieces.append(text[at:at + rng.choice([1, 7, 400, 100_000])])
        at += len(pieces[-1])
    assert list(ours.encode_iterable(pieces, disallowed_special=())) == expected
    assert ours.decode(expected) == text


@pytest.mark.parametrize("text", [f"{EOT}", f"a {EOT}\n{EOT}b", "<|endoftext| >", f" {EOT} "])
@pytest.mark.parametrize("keywords", [{}, {"allowed_special": "all"}, {"allowed_special": {EOT}}, {"disallowed_special": ()},
                                      {"disallowed_special": {"a"}}])
def test_special_tokens_as_tiktoken(pair, text, keywords):
    def outcome(encode):
        try:
            return encode(text, **keywords)
        except ValueError:
            return "refused"
    ours, theirs = pair
    assert outcome(ours.encode) == outcome(theirs.encode)


def test_saved_and_loaded_gpt2_is_the_same(pair, tmp_path):
    ours, _ = pair
    ours.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.vocab, again.merges, again.special_tokens) == (ours.vocab, ours.merges, ours.special_tokens)


@pytest.mark.parametrize("kind", ["random letters", "spaces before a word"])
def test_ten_megabytes_without_a_word_border(pair, kind):
    ours, _ = pair
    size = 10_000_000
    text = " " * size + "word" if kind.startswith("spaces") else "".join(random.Random(0).choices("etaoinshrdlu", k=size))
    assert ours.decode(ours.encode(text)) == text
