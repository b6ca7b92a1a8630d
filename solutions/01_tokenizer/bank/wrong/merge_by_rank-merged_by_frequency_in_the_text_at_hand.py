# piece: tokenizer.merge_by_rank
# mistake: merged by frequency in the text at hand
def merge_by_rank(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        known = [pair for pair in zip(parts, parts[1:]) if pair in ranks]
        if not known:
            return parts
        best = max(known, key=lambda pair: (known.count(pair), -ranks[pair]))
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
