# piece: tokenizer.bytes_to_unicode, tokenizer.pretokenize, tokenizer.train_merges, tokenizer.merge_by_rank, tokenizer.encode, tokenizer.decode
# Recursion, numbers for tokens, the library where it helps; train_merges gives back a generator's list of tuples.
from collections import Counter
from functools import reduce
from itertools import pairwise

import regex


def bytes_to_unicode():
    shown = [b for b in range(256) if chr(b).isprintable() and b != 32]
    rest = [b for b in range(256) if b not in shown]
    return {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(rest)}


def pretokenize(text):
    pattern = r"'[sdmt]|'ll|'ve|'re|\ ?[\p{L}]+|\ ?\p{N}+|\ ?[^\s\p{L}\p{N}]+|\s+(?=\s|\Z)|\s+"
    return list(filter(None, regex.findall(pattern, text)))


def join(parts, pair):
    def step(done, part):
        if done and done[-1] == pair[0] and part == pair[1]:
            return [*done[:-1], (*pair,)]  # a tuple marks what this merge made
        return [*done, part]

    return [b"".join(p) if isinstance(p, tuple) else p for p in reduce(step, parts, [])]


def _merges(words, num_merges):
    while num_merges and (counts := Counter(pair for word in words for pair in pairwise(word))):
        pair, _ = max(counts.items(), key=lambda item: (item[1], item[0]))
        yield pair
        words, num_merges = [join(word, pair) for word in words], num_merges - 1


def train_merges(texts, num_merges):
    words = [[bytes([b]) for b in piece.encode()] for text in texts for piece in pretokenize(text)]
    return list(_merges(words, num_merges))


def merge_by_rank(piece, ranks):
    def again(parts):
        known = {ranks[pair]: pair for pair in pairwise(parts) if pair in ranks}
        return again(join(parts, known[min(known)])) if known else parts

    return again([bytes([b]) for b in piece])


def encode(text, vocab, merges, special_tokens, allowed_special=frozenset()):
    for special in set(special_tokens) - set(allowed_special):
        if special in text:
            raise ValueError(f"{special} is in the text")
    for special in allowed_special:
        before, found, after = text.partition(special)
        if found:
            both = [encode(part, vocab, merges, special_tokens, allowed_special) for part in (before, after)]
            return both[0] + [special_tokens[special]] + both[1]
    ids = dict(zip(vocab.values(), vocab, strict=True))
    ranks = {pair: i for i, pair in enumerate(merges)}
    return [ids[t] for piece in pretokenize(text) for t in merge_by_rank(piece.encode(), ranks)]


def decode(ids, vocab, special_tokens):
    table = {**vocab, **{i: special.encode() for special, i in special_tokens.items()}}
    if unknown := [i for i in ids if i not in table]:
        raise ValueError(f"unknown ids: {unknown}")
    return str(b"".join(map(table.get, ids)), "utf-8", "replace")
