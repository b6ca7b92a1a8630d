# piece: decoder.gelu
# mistake: no factor 0.5
import math

import torch


def gelu(x):
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
