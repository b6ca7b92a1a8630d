# piece: prompting.shots_that_fit
# mistake: the longest example dropped
def shots_that_fit(examples, query, n_positions, new_tokens=0):
    if len(query) + new_tokens > n_positions:
        raise ValueError(f"{len(query)} tokens of query, {new_tokens} new ones, {n_positions} positions")
    kept = list(examples)
    while sum(len(example) for example in kept) + len(query) + new_tokens > n_positions:
        kept.remove(max(kept, key=len))
    ids = [token for example in kept for token in example]
    return ids + list(query), len(examples) - len(kept)
