# piece: sampling.temperature_probs
# mistake: T=0 over all rows at once
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature == 0:
        return F.one_hot(logits.argmax(), logits.numel()).float().view(logits.shape)
    return torch.softmax(logits / temperature, dim=-1)
