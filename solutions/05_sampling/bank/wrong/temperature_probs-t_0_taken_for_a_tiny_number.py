# piece: sampling.temperature_probs
# mistake: T=0 taken for a tiny number
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    temperature = max(temperature, 1e-8)
    return torch.softmax(logits / temperature, dim=-1)
