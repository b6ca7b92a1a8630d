# piece: weights.tie_head
# mistake: head transposed
from torch import nn


def tie_head(model):
    model.lm_head.weight = nn.Parameter(model.wte.weight.T)
