# piece: sampling.apply_repetition_penalty
# mistake: penalty subtracted
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    seen = logits.gather(-1, prev_ids)
    seen = seen - penalty
    return logits.scatter(-1, prev_ids, seen)
