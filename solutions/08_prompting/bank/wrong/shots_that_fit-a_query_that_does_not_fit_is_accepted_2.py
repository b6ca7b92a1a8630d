# piece: prompting.shots_that_fit
# mistake: a query that does not fit is accepted
def shots_that_fit(examples, query, n_positions, new_tokens=0):
    kept = list(examples)
    while sum(len(example) for example in kept) + len(query) + new_tokens > n_positions:
        kept.pop(0)
    ids = [token for example in kept for token in example]
    return ids + list(query), len(examples) - len(kept)
