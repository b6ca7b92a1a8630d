# piece: weights.tie_head
# mistake: trained table overwritten
from torch import nn


def tie_head(model):
    model.wte.weight = model.lm_head.weight
