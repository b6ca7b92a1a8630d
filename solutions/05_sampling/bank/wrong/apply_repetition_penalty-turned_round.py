# piece: sampling.apply_repetition_penalty
# mistake: turned round
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    seen = logits.gather(-1, prev_ids)
    seen = torch.where(seen < 0, seen / penalty, seen * penalty)
    return logits.scatter(-1, prev_ids, seen)
