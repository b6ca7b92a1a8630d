# piece: sampling.apply_repetition_penalty
# mistake: penalty once per occurrence
def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    logits = logits.clone()
    for row, ids in enumerate(prev_ids.tolist()):
        for token in ids:
            if logits[row, token] > 0:
                logits[row, token] /= penalty
            else:
                logits[row, token] *= penalty
    return logits
