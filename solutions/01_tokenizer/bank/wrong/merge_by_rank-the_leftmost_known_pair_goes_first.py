# piece: tokenizer.merge_by_rank
# mistake: the leftmost known pair goes first
def merge_by_rank(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    i = 0
    while i < len(parts) - 1:
        if (parts[i], parts[i + 1]) in ranks:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
            i = 0
        else:
            i += 1
    return parts
