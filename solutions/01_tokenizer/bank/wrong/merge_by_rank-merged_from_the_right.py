# piece: tokenizer.merge_by_rank
# mistake: merged from the right
def merge_by_rank(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    for left, right in sorted(ranks, key=ranks.get):
        i = len(parts) - 2
        while i >= 0:
            if i + 1 < len(parts) and parts[i] == left and parts[i + 1] == right:
                parts[i : i + 2] = [left + right]
                i -= 1
            i -= 1
    return parts
