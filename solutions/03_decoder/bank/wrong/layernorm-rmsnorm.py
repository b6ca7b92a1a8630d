# piece: decoder.LayerNorm
# mistake: RMSNorm
import torch
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, n_embd, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.bias = nn.Parameter(torch.zeros(n_embd))
        self.eps = eps

    def forward(self, x):
        var = (x * x).mean(dim=-1, keepdim=True)
        return self.weight * x / torch.sqrt(var + self.eps) + self.bias
