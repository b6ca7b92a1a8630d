# piece: sampling.apply_repetition_penalty
# mistake: every token penalised
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError(f"penalty={penalty} must be above 0")
    return torch.where(logits > 0, logits / penalty, logits * penalty)
