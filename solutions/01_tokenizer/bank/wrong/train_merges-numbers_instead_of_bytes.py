# piece: tokenizer.train_merges
# mistake: numbers instead of bytes
from collections import Counter

import regex

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def merge(word, pair):
    done, i = [], 0
    while i < len(word):
        if word[i : i + 2] == list(pair):
            done.append(pair[0] + pair[1])
            i += 2
        else:
            done.append(word[i])
            i += 1
    return done


def train_merges(texts, num_merges):
    pieces = [piece for text in texts for piece in regex.findall(PATTERN, text)]
    words = [list(piece.encode()) for piece in pieces]
    merges = []
    for _ in range(num_merges):
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = [merge(word, best) for word in words]
    return merges
