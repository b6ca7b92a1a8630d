# piece: prompting.calibrate
# mistake: calibrated by each, then averaged
import torch


def calibrate(probs, content_free):
    if (content_free.mean(0) == 0).any():
        raise ValueError("0 among the content-free probabilities")
    total = torch.zeros_like(probs)
    for prior in content_free:
        ratios = probs / prior
        total += ratios / ratios.sum(-1, keepdim=True)
    return total / len(content_free)
