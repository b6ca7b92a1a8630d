# piece: tokenizer.merge_by_rank
# mistake: only the first occurrence merged
def merge_by_rank(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    for left, right in sorted(ranks, key=ranks.get):
        for i in range(len(parts) - 1):
            if parts[i] == left and parts[i + 1] == right:
                parts[i : i + 2] = [left + right]
                break
    return parts
