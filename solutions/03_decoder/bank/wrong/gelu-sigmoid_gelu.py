# piece: decoder.gelu
# mistake: sigmoid GELU
import torch


def gelu(x):
    return x / (1 + torch.exp(-1.702 * x))
