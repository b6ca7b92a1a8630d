# piece: sampling.temperature_probs
# mistake: a temperature below 0 is accepted
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    return torch.softmax(logits / temperature, dim=-1)
