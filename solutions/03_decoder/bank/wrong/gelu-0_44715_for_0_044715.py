# piece: decoder.gelu
# mistake: 0.44715 for 0.044715
import math

import torch


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.44715 * x**3)))
