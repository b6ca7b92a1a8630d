# piece: weights.tie_head
# mistake: the table no longer learns
from torch import nn


def tie_head(model):
    model.lm_head.weight = model.wte.weight.requires_grad_(False)
