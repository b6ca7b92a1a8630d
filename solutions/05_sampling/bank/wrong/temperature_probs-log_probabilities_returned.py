# piece: sampling.temperature_probs
# mistake: log-probabilities returned
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is below 0")
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    return torch.log_softmax(logits / temperature, dim=-1)
