# piece: finetuning.LoRALinear
# mistake: merged without the base
import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r < 1:
            raise ValueError(f"rank {r}")
        self.base = base
        for p in self.base.parameters():
            p.requires_grad = False
        self.lora_A = nn.Parameter(torch.empty(r, base.in_features))
        self.lora_B = nn.Parameter(torch.empty(base.out_features, r))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)
        nn.init.zeros_(self.lora_B)
        self.scaling = alpha / r
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        low_rank = self.dropout(x) @ self.lora_A.T @ self.lora_B.T
        return self.base(x) + self.scaling * low_rank

    def merged(self):
        out_features, in_features = self.base.weight.shape
        linear = nn.Linear(in_features, out_features, bias=self.base.bias is not None)
        delta = self.scaling * (self.lora_B @ self.lora_A)
        linear.weight.data = delta.detach()
        if self.base.bias is not None:
            linear.bias.data = self.base.bias.data.clone()
        return linear
