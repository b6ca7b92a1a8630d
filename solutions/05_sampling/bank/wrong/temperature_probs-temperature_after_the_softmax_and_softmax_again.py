# piece: sampling.temperature_probs
# mistake: temperature after the softmax, and softmax again
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    return (logits.softmax(-1) / temperature).softmax(-1)
