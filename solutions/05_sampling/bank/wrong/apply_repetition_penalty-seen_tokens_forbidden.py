# piece: sampling.apply_repetition_penalty
# mistake: seen tokens forbidden
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    seen = logits.gather(-1, prev_ids)
    seen = torch.full_like(seen, -torch.inf)
    return logits.scatter(-1, prev_ids, seen)
