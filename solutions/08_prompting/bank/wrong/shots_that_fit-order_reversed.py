# piece: prompting.shots_that_fit
# mistake: order reversed
def shots_that_fit(examples, query, n_positions, new_tokens=0):
    if len(query) + new_tokens > n_positions:
        raise ValueError(f"{len(query)} tokens of query, {new_tokens} new ones, {n_positions} positions")
    kept, room = [], n_positions - new_tokens - len(query)
    for example in reversed(examples):
        if len(example) > room:
            break
        kept.append(example)
        room -= len(example)
    ids = [token for example in kept for token in example]
    return ids + list(query), len(examples) - len(kept)
