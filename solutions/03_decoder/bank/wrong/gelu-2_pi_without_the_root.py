# piece: decoder.gelu
# mistake: 2/pi without the root
import math

import torch


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(2 / math.pi * (x + 0.044715 * x**3)))
