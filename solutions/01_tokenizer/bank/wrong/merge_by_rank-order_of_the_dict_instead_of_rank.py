# piece: tokenizer.merge_by_rank
# mistake: order of the dict instead of rank
def merge_by_rank(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    for left, right in ranks:
        parts = merge(parts, left, right)
    return parts


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
