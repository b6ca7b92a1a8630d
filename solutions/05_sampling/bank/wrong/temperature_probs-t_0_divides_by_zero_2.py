# piece: sampling.temperature_probs
# mistake: T=0 divides by zero
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    coldness = 1 / temperature
    return torch.softmax(logits * coldness, dim=-1)
