# piece: decoder.gelu
# mistake: no cubic term
import math

import torch


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * x))
