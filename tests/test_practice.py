"""Practice episodes: made to length, from a seed, and answerable only by looking back."""
import re
from random import Random

import pytest

from gpt2lab import practice
from gpt2lab.tokenizer import train_bpe

LENGTHS = (17, 65, 257, 513)


@pytest.fixture(scope="module")
def tokenizer():
    rng = Random(0)
    return train_bpe([practice.mapping(rng, 300) + practice.question(rng, 300) for _ in range(20)], 320)


@pytest.mark.parametrize("length", LENGTHS)
def test_an_episode_has_exactly_the_length_asked_for(tokenizer, length):
    for seed in range(30):
        ids, unforeseeable = practice.episode(Random(seed), tokenizer, length)
        assert 0 <= unforeseeable <= length // 2, "at least half of it can be learned from"
        assert len(ids) == length and all(0 <= i < tokenizer.n_vocab for i in ids)


def test_the_seed_decides(tokenizer):
    def episodes(seed):
        rng = Random(seed)
        return [practice.episode(rng, tokenizer, 129) for _ in range(10)]
    assert episodes(1) == episodes(1) and episodes(1) != episodes(2)


def test_all_three_kinds_come(tokenizer):
    texts = [tokenizer.decode(practice.episode(Random(seed), tokenizer, 257)[0]) for seed in range(60)]
    mappings, questions = sum(" -> " in t for t in texts), sum("What colour" in t for t in texts)
    assert mappings > 5 and questions > 2 and len(texts) - mappings - questions > 15


@pytest.mark.parametrize("length", LENGTHS)
def test_repeated_tokens_come_round_at_least_twice(tokenizer, length):
    for seed in range(20):
        ids, period = practice.repeated_tokens(Random(seed), tokenizer, length)
        assert 8 <= period <= length // 2 and len(ids) == length and tokenizer.eot_token not in ids
        assert all(ids[i] == ids[i - period] for i in range(period, length))


def test_a_mapping_keeps_to_its_own_table():
    for seed in range(20):
        lines = practice.mapping(Random(seed), 300).splitlines()
        pairs = [re.fullmatch(r"([a-z]+) -> ([a-z]+)", line).groups() for line in lines]
        assert len(pairs) == 50 and len(dict(pairs)) == len(set(pairs)) <= 8


def test_every_question_is_answered_by_the_facts_before_it():
    for seed in range(20):
        text = practice.question(Random(seed), 300)
        facts = dict(re.findall(r"The (\w+) is (\w+)\.", text))
        asked = re.findall(r"Q: What colour is the (\w+)\? A: (\w+)", text)
        assert all(facts[name] == colour for name, colour in asked)
        assert len(asked) > 6 and len(dict(asked)) > 1, "about more than one of them"


def test_one_episode_tells_nothing_about_the_next():
    """The words are made up anew: knowing all earlier episodes answers hardly any line of a later one."""
    rng, known, answered, lines = Random(0), {}, 0, 0
    for _ in range(200):
        pairs = dict(line.split(" -> ") for line in practice.mapping(rng, 300).splitlines())
        answered += sum(known.get(name) == answer for name, answer in pairs.items())
        lines += len(pairs)
        known.update(pairs)
    assert answered / lines < 0.01


def test_an_episode_too_short_to_repeat_anything_is_refused(tokenizer):
    with pytest.raises(ValueError, match="15.*16"):
        practice.episode(Random(0), tokenizer, 15)
