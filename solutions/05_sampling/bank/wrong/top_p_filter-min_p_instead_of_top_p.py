# piece: sampling.top_p_filter
# mistake: min-p instead of top-p
import torch


def top_p_filter(logits, top_p):
    if top_p < 0 or top_p > 1:
        raise ValueError(f"top_p={top_p}")
    probs = logits.softmax(-1)
    return torch.where(probs >= top_p * probs.amax(-1, keepdim=True), logits, -torch.inf)
