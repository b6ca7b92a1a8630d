# piece: sampling.top_p_filter
# mistake: each probability compared with p
import torch


def top_p_filter(logits, top_p):
    if top_p < 0 or top_p > 1:
        raise ValueError(f"top_p={top_p}")
    return torch.where(logits.softmax(-1) >= top_p, logits, -torch.inf)
