# piece: sampling.apply_repetition_penalty
# mistake: a penalty of 0 is accepted
import torch


def apply_repetition_penalty(logits, prev_ids, penalty):
    seen = logits.gather(-1, prev_ids)
    seen = torch.where(seen > 0, seen / penalty, seen * penalty)
    return logits.scatter(-1, prev_ids, seen)
