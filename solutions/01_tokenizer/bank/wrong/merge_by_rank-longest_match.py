# piece: tokenizer.merge_by_rank
# mistake: longest match
def merge_by_rank(piece, ranks):
    tokens = {left + right for left, right in ranks}
    parts = []
    while piece:
        size = len(piece)
        while size > 1 and piece[:size] not in tokens:
            size -= 1
        parts.append(piece[:size])
        piece = piece[size:]
    return parts
