# piece: sampling.temperature_probs
# mistake: no softmax
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature == 0:
        return logits
    return logits / temperature
