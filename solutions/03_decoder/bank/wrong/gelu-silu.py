# piece: decoder.gelu
# mistake: SiLU
import torch


def gelu(x):
    return x * x.sigmoid()
