# piece: prompting.shots_that_fit
# mistake: an error instead of fewer examples
def shots_that_fit(examples, query, n_positions, new_tokens=0):
    kept = list(examples)
    if sum(len(example) for example in kept) + len(query) + new_tokens > n_positions:
        raise ValueError(f"the prompt does not fit: {len(query)} tokens of query, {n_positions} positions")
    ids = [token for example in kept for token in example]
    return ids + list(query), len(examples) - len(kept)
