# piece: sampling.apply_repetition_penalty
# mistake: rows share their history
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    logits = logits.clone()
    ids = prev_ids.unique()
    seen = logits[:, ids]
    logits[:, ids] = torch.where(seen > 0, seen / penalty, seen * penalty)
    return logits
