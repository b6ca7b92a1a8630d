"""A stream of text gives the ids of the whole text, wherever it is cut, and is read a block at a time."""
import io
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2lab import tokenizer as floor
from gpt2lab.tokenizer import Tokenizer, even_pieces, safe_blocks, train_bpe

EOT = "<|endoftext|>"
SPACED = "<|im start|>"
TRAINING = "the weather, the gatherers; it's they'll 1234\n\n    return there\n   \u3000"


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([TRAINING * 3], 340, special_tokens=(EOT, SPACED))


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks of a few characters, so that short texts are cut many times, in every place."""
    def set_size(size):
        monkeypatch.setattr(floor.even_pieces, "__defaults__", (size,))
    return set_size


def every_cut(text):
    return [[text[:i], text[i:]] for i in range(len(text) + 1)] + [list(text), [text]]


@pytest.mark.parametrize("text", ["a\n\n\nb", "a     b", "    ", " \n \t x  ", "they'll  go\n\n\n  it's", "x" * 40, "the\u3000\u3000weather 12 34",
                                  "👋🏽  👋🏽", "!!! ???  ...a"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_cut_anywhere_gives_the_same_ids(tokenizer, tiny_blocks, text, size):
    tiny_blocks(size)
    for pieces in every_cut(text):
        assert list(tokenizer.encode_iterable(pieces)) == tokenizer.encode(text)


@settings(max_examples=300, deadline=None)
@given(st.text("ab'l 1\n\t!é\u3000", max_size=60), st.integers(1, 9), st.randoms())
def test_blocks_join_to_the_text_and_encode_alike(tokenizer, text, size, rng):
    pieces = [text[i:i + size] for i in range(0, len(text), size)]
    before, even_pieces.__defaults__ = even_pieces.__defaults__, (rng.randint(1, 9),)
    try:
        blocks = list(safe_blocks(pieces))
        streamed = list(tokenizer.encode_iterable(pieces))
    finally:
        even_pieces.__defaults__ = before
    assert "".join(blocks) == text
    assert streamed == tokenizer.encode(text) == [i for block in blocks for i in tokenizer.encode(block)]


@pytest.mark.parametrize("text", [f"a{EOT}b", f"a  {EOT}  b", f"the {SPACED} weather {SPACED}{SPACED}", f"<|im <|im  {SPACED}", f"{EOT}{EOT} x"])
@pytest.mark.parametrize("size", [1, 3, 6, 7, 11])
def test_special_tokens_survive_every_cut(tokenizer, tiny_blocks, text, size):
    tiny_blocks(size)
    for pieces in every_cut(text):
        assert list(tokenizer.encode_iterable(pieces, allowed_special="all")) == tokenizer.encode(text, allowed_special="all")
        with pytest.raises(ValueError, match="special token"):
            list(tokenizer.encode_iterable(pieces))
        assert list(tokenizer.encode_iterable(pieces, disallowed_special=())) == tokenizer.encode_ordinary(text)


@pytest.mark.parametrize("size", [1, 10, 65_535, 65_536, 65_537, 10**6])
def test_pieces_are_even_whatever_comes_in(size):
    text = "".join(random.Random(0).choices("ab \n", k=200_000))
    pieces = list(even_pieces(text[i:i + size] for i in range(0, len(text), size)))
    assert "".join(pieces) == text
    assert [len(piece) for piece in pieces] == [65_536, 65_536, 65_536, 200_000 - 3 * 65_536]


def test_an_open_file_is_read_a_block_at_a_time(tokenizer):
    asked = []

    class Watched(io.StringIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

        def __iter__(self):
            raise AssertionError("read by lines: one endless line would fill the memory")

    text = TRAINING * 5000
    assert list(tokenizer.encode_iterable(Watched(text))) == tokenizer.encode(text)
    assert set(asked) == {65_536}


def test_the_first_ids_come_before_the_stream_ends(tokenizer):
    def long():
        for _ in range(5_000):
            yield TRAINING
        raise AssertionError("the whole stream was read before the first id came out")
    ids = tokenizer.encode_iterable(long())
    assert [next(ids) for _ in range(50)] == tokenizer.encode(TRAINING * 50)[:50]


def test_memory_does_not_grow_with_the_stream(tokenizer):
    """8 MB and 2 MB of text need the same memory: blocks are let go. The 100 MB figure is in benchmarks/tokenizer.py."""
    def peak(megabytes):
        lines = (TRAINING * 200 for _ in range(megabytes * 10**6 // (len(TRAINING) * 200)))
        tracemalloc.start()
        try:
            for _ in tokenizer.encode_iterable(lines):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    small, large = peak(1), peak(4)
    assert large < 1.5 * small
    assert large < 8 * 2**20


def test_a_stream_of_something_else_is_named(tokenizer):
    with pytest.raises(ValueError, match="must be a str, got bytes"):
        list(tokenizer.encode_iterable([b"a"]))
    assert isinstance(tokenizer, Tokenizer)
