# piece: sampling.apply_repetition_penalty
# mistake: unseen tokens penalised
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    seen = logits.gather(-1, prev_ids)
    seen = torch.where(seen > 0, seen / penalty, seen * penalty)
    everything = torch.where(logits > 0, logits / penalty, logits * penalty)
    return everything.scatter(-1, prev_ids, logits.gather(-1, prev_ids))
