# piece: tokenizer.encode
# mistake: longest match
import regex

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def encode(text, vocab, merges, special_tokens, allowed_special=frozenset()):
    for special in special_tokens:
        if special in text and special not in allowed_special:
            raise ValueError(f"{special} is not allowed")
    id_of = {token: i for i, token in vocab.items()}
    ids = []
    for part in cut(text, allowed_special):
        if part in allowed_special:
            ids.append(special_tokens[part])
            continue
        for piece in regex.findall(PATTERN, part):
            data, parts = piece.encode(), []
            while data:
                parts.append(max((token for token in id_of if data.startswith(token)), key=len))
                data = data[len(parts[-1]) :]
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
