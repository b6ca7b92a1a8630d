# piece: tokenizer.merge_by_rank
# mistake: numbers instead of bytes
def merge_by_rank(piece, ranks):
    parts = list(piece)
    while True:
        known = [pair for pair in zip(parts, parts[1:]) if pair in ranks]
        if not known:
            return parts
        best = min(known, key=lambda pair: ranks[pair])
        parts = merge(parts, *best)


def merge(parts, left, right):
    done = []
    i = 0
    while i < len(parts):
        if i + 1 < len(parts) and parts[i] == left and parts[i + 1] == right:
            done.append(left + right)
            i += 2
        else:
            done.append(parts[i])
            i += 1
    return done
