# piece: sampling.temperature_probs
# mistake: T=0 returns token ids
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature == 0:
        return logits.argmax(-1)
    return torch.softmax(logits / temperature, dim=-1)
