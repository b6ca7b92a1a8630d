# piece: weights.tie_head
# mistake: lm_head copied, not tied
from torch import nn


def tie_head(model):
    model.lm_head.weight = nn.Parameter(model.wte.weight.detach().clone())
