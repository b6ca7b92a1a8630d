# piece: sampling.temperature_probs
# mistake: T=0 taken for 1
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature > 0:
        logits = logits / temperature
    return torch.softmax(logits, dim=-1)
