# piece: tokenizer.encode
# mistake: special tokens are not refused
import regex

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def encode(text, vocab, merges, special_tokens, allowed_special=frozenset()):
    id_of = {token: i for i, token in vocab.items()}
    ids = []
    for part in cut(text, allowed_special):
        if part in allowed_special:
            ids.append(special_tokens[part])
            continue
        for piece in regex.findall(PATTERN, part):
            parts = [bytes([b]) for b in piece.encode()]
            for left, right in merges:
                parts = merge(parts, left, right)
            for token in parts:
                ids.append(id_of[token])
    return ids


def cut(text, specials):
    if not specials:
        return [text]
    return regex.split("(" + "|".join(regex.escape(special) for special in specials) + ")", text)


def merge(parts, left, right):
    done, i = [], 0
    while i < len(parts):
        if parts[i : i + 2] == [left, right]:
            done.append(left + right)
            i += 2
        else:
            done.append(parts[i])
            i += 1
    return done
