# piece: tokenizer.bytes_to_unicode, tokenizer.pretokenize, tokenizer.train_merges, tokenizer.merge_by_rank, tokenizer.encode, tokenizer.decode
# Plain loops, nothing clever: the pre-tokenizer reads character by character.
import unicodedata


def bytes_to_unicode():
    table = {}
    n = 0
    for b in range(256):
        if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + n)
            n += 1
    return table


def kind(char):
    if char.isspace():
        return "space"
    category = unicodedata.category(char)[0]
    return {"L": "letter", "N": "number"}.get(category, "mark")


def pretokenize(text):
    pieces = []
    i = 0
    while i < len(text):
        end = None
        for tail in ("'s", "'d", "'m", "'t", "'ll", "'ve", "'re"):
            if text.startswith(tail, i):
                end = i + len(tail)
                break
        if end is None:
            start = i + 1 if text[i] == " " and i + 1 < len(text) and kind(text[i + 1]) != "space" else i
            end = start + 1
            while end < len(text) and kind(text[end]) == kind(text[start]):
                end += 1
            if kind(text[start]) == "space" and end < len(text) and end - i > 1:
                end -= 1
        pieces.append(text[i:end])
        i = end
    return pieces


def apply(parts, left, right):
    result = []
    i = 0
    while i < len(parts):
        if i < len(parts) - 1 and parts[i] == left and parts[i + 1] == right:
            result.append(left + right)
            i = i + 2
        else:
            result.append(parts[i])
            i = i + 1
    return result


def train_merges(texts, num_merges):
    words = []
    for text in texts:
        for piece in pretokenize(text):
            words.append([bytes([b]) for b in piece.encode("utf-8")])
    merges = []
    for _ in range(num_merges):
        counts = {}
        for word in words:
            for i in range(len(word) - 1):
                pair = (word[i], word[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        best = None
        for pair, count in counts.items():
            if best is None or count > counts[best] or (count == counts[best] and pair > best):
                best = pair
        if best is None:
            break
        merges.append(best)
        for w in range(len(words)):
            words[w] = apply(words[w], best[0], best[1])
    return merges


def merge_by_rank(piece, ranks):
    parts = [bytes([b]) for b in piece]
    for pair in sorted(ranks, key=lambda p: ranks[p]):
        parts = apply(parts, pair[0], pair[1])
    return parts


def encode(text, vocab, merges, special_tokens, allowed_special=frozenset()):
    id_of = {}
    for i in vocab:
        id_of[vocab[i]] = i
    ranks = {}
    for pair in merges:
        ranks[pair] = len(ranks)
    ids = []
    plain = ""
    i = 0
    while i <= len(text):
        special = None
        for name in special_tokens:
            if text.startswith(name, i):
                special = name
        if special is not None and special not in allowed_special:
            raise ValueError("not allowed: " + special)
        if special is not None or i == len(text):
            for piece in pretokenize(plain):
                for token in merge_by_rank(piece.encode(), ranks):
                    ids.append(id_of[token])
            plain = ""
        if special is not None:
            ids.append(special_tokens[special])
            i += len(special)
        elif i < len(text):
            plain += text[i]
            i += 1
        else:
            break
    return ids


def decode(ids, vocab, special_tokens):
    data = bytearray()
    name_of = {i: name for name, i in special_tokens.items()}
    for i in ids:
        if i in vocab:
            data += vocab[i]
        elif i in name_of:
            data += name_of[i].encode()
        else:
            raise ValueError("unknown id " + str(i))
    return data.decode("utf-8", "replace")
