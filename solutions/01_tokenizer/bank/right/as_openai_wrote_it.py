# piece: tokenizer.bytes_to_unicode, tokenizer.pretokenize, tokenizer.train_merges, tokenizer.merge_by_rank, tokenizer.encode, tokenizer.decode
# In the manner of GPT-2's encoder: a word is a tuple of symbols, `get_pairs` a set, words are counted once.
from collections import Counter, defaultdict

import regex as re

PATTERN = re.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def bytes_to_unicode():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
    cs = bs[:]
    n = 0
    for b in range(2**8):
        if b not in bs:
            bs.append(b)
            cs.append(2**8 + n)
            n += 1
    return dict(zip(bs, [chr(n) for n in cs], strict=True))


def pretokenize(text):
    return [match.group() for match in PATTERN.finditer(text)]


def get_pairs(word):
    return set(zip(word[:-1], word[1:], strict=True))


def merge_word(word, first, second):
    new_word = []
    i = 0
    while i < len(word):
        try:
            j = word.index(first, i)
        except ValueError:
            new_word.extend(word[i:])
            break
        new_word.extend(word[i:j])
        i = j
        if i < len(word) - 1 and word[i + 1] == second:
            new_word.append(first + second)
            i += 2
        else:
            new_word.append(word[i])
            i += 1
    return tuple(new_word)


def symbols(piece):
    return tuple(piece[i : i + 1] for i in range(len(piece)))


def train_merges(texts, num_merges):
    vocab = Counter(symbols(piece.encode("utf-8")) for text in texts for piece in pretokenize(text))
    merges = []
    for _ in range(num_merges):
        stats = defaultdict(int)
        for word, freq in vocab.items():
            for pair in zip(word, word[1:], strict=False):
                stats[pair] += freq
        if not stats:
            break
        most = max(stats.values())
        best = sorted(pair for pair in stats if stats[pair] == most)[-1]
        merged = Counter()
        for word, freq in vocab.items():
            merged[merge_word(word, *best)] += freq
        vocab = merged
        merges.append(best)
    return merges


def merge_by_rank(piece, ranks):
    word = symbols(piece)
    while len(word) > 1:
        bigram = min(get_pairs(word), key=lambda pair: ranks.get(pair, float("inf")))
        if bigram not in ranks:
            break
        word = merge_word(word, *bigram)
    return list(word)


def encode(text, vocab, merges, special_tokens, allowed_special=frozenset()):
    allowed = sorted(allowed_special)
    forbidden = [re.escape(special) for special in special_tokens if special not in allowed]
    if forbidden and (match := re.search("|".join(forbidden), text)):
        raise ValueError(f"disallowed special token {match.group()!r}")
    encoder = {token: i for i, token in vocab.items()}
    ranks = dict(zip(merges, range(len(merges)), strict=True))
    ids, start = [], 0
    for match in re.finditer("|".join(map(re.escape, allowed)) or r"(?!)", text):
        ids += _ordinary(text[start : match.start()], encoder, ranks) + [special_tokens[match.group()]]
        start = match.end()
    return ids + _ordinary(text[start:], encoder, ranks)


def _ordinary(text, encoder, ranks):
    return [encoder[token] for piece in pretokenize(text) for token in merge_by_rank(piece.encode("utf-8"), ranks)]


def decode(ids, vocab, special_tokens):
    names = dict(map(reversed, special_tokens.items()))
    try:
        return b"".join(vocab[i] if i in vocab else names[i].encode() for i in ids).decode("utf-8", errors="replace")
    except KeyError as error:
        raise ValueError(f"no token has id {error.args[0]}") from error
