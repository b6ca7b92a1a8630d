"""Training against a slow reference that counts everything again for each merge."""
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2lab.tokenizer import bytes_to_unicode, count_words, learn_merges, pretokenize, train_bpe

PROSE = ("The weather report said rain, the gatherers said otherwise; whether they were right is another matter.\n"
         "    for word in other_words:\n        print(word, 1234)\n" "Größer, höher, weiter: 天気は雨 👋🏽👋🏽\n\n") * 2


def reference_merges(words: Counter, n_merges: int) -> list[tuple[bytes, bytes]]:
    """The rule as it is stated: count all pairs, take the most frequent, ties to the greatest, replace, repeat."""
    spelled = [([bytes([b]) for b in word], times) for word, times in words.items()]
    merges = []
    while len(merges) < n_merges:
        counts = Counter()
        for parts, times in spelled:
            for i in range(len(parts) - 1):
                counts[parts[i], parts[i + 1]] += times
        if not counts:
            break
        a, b = best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for parts, _ in spelled:
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = [a + b]
                i += 1
    return merges


def reference_words(texts: list[str]) -> Counter:
    return Counter(piece.encode() for text in texts for piece in pretokenize(text))


def test_merges_of_prose_equal_the_reference():
    assert train_bpe([PROSE], 500).merges == reference_merges(reference_words([PROSE]), 500 - 257)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=14).map(str.encode), st.integers(1, 5), max_size=10))
def test_merges_of_small_alphabets_equal_the_reference(words):
    """Few letters: ties everywhere, runs of equal letters, overlapping pairs."""
    assert learn_merges(Counter(words), 60) == reference_merges(Counter(words), 60)


def test_merges_of_random_bytes_equal_the_reference():
    rng = random.Random(0)
    words = Counter(bytes(rng.choices([0, 1, 127, 128, 254, 255], k=rng.randint(1, 9))) for _ in range(400))
    assert learn_merges(words, 150) == reference_merges(words, 150)


def test_ties_go_to_the_lexicographically_greatest_pair():
    assert train_bpe(["ab cd"], 258).merges == [(b"c", b"d")]
    assert train_bpe(["cd ab"], 258).merges == [(b"c", b"d")]
    assert learn_merges(Counter({b"ab": 1, b"abc": 1, b"zab": 1, b"zz": 3}), 1) == [(b"z", b"z")]
    # a prefix is smaller than what continues it
    assert learn_merges(Counter({b"xay": 2, b"xax": 2, b"xa": 1}), 2)[1] == reference_merges(
        Counter({b"xay": 2, b"xax": 2, b"xa": 1}), 2)[1]


def test_overlapping_runs_count_as_the_reference_counts():
    for n in range(1, 20):
        assert learn_merges(Counter({b"a" * n: 1}), 10) == reference_merges(Counter({b"a" * n: 1}), 10)


def test_ids_are_bytes_then_merges_then_special_tokens():
    trained = train_bpe([PROSE], 300, special_tokens=("<|endoftext|>", "<|user|>"))
    assert [trained.vocab[i] for i in range(256)] == [bytes([b]) for b in bytes_to_unicode()]
    assert [trained.vocab[256 + i] for i in range(42)] == [a + b for a, b in trained.merges]
    assert trained.special_tokens == {"<|endoftext|>": 298, "<|user|>": 299}
    assert trained.n_vocab == 300


def test_merges_do_not_cross_pretokens_or_documents():
    assert all(b" " not in (a + b)[1:] for a, b in train_bpe(["to the end of the road"] * 9, 400).merges)
    assert train_bpe(["ab", "cd"], 400).merges == train_bpe(["ab<|endoftext|>cd"], 400).merges
    assert len(train_bpe(["ab", "cd"], 400).merges) == 2


def test_the_text_of_special_tokens_is_not_learned():
    trained = train_bpe(["a<|endoftext|>" * 50], 400)
    assert trained.merges == []
    assert count_words(["x<|endoftext|>x"], ["<|endoftext|>"]) == Counter({b"x": 2})


def test_training_takes_a_generator_and_one_str_is_one_text():
    assert train_bpe((line for line in [PROSE, PROSE]), 300).merges == train_bpe([PROSE, PROSE], 300).merges
    assert train_bpe(PROSE, 300).merges == train_bpe([PROSE], 300).merges


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["<|endoftext|>"]])
def test_nothing_to_merge_gives_bytes_and_special_tokens(texts):
    trained = train_bpe(texts, 1000)
    assert (trained.n_vocab, trained.merges) == (257, [])
    assert trained.decode(trained.encode("any text 🙂")) == "any text 🙂"


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ValueError, match="vocab_size=256 has no room.*at least 257"):
        train_bpe(["text"], 256)
    assert train_bpe(["text"], 256, special_tokens=()).n_vocab == 256


def test_training_names_a_lone_surrogate():
    with pytest.raises(ValueError, match=r"text\[1\].*surrogate"):
        train_bpe(["a\ud83d"], 300)


def test_a_megabyte_without_a_space_trains():
    text = "".join(random.Random(0).choices("abcd", k=1_000_000))
    trained = train_bpe([text], 300)
    assert len(trained.merges) == 43
    pairs = Counter(pairwise(text))
    assert "".join(map(bytes.decode, trained.merges[0])) == "".join(max(pairs, key=lambda pair: (pairs[pair], pair)))
