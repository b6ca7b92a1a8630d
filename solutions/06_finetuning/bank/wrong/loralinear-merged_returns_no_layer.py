# piece: finetuning.LoRALinear
# mistake: merged() returns no layer
import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r <= 0:
            raise ValueError(f"rank {r}")
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))
        self.alpha, self.r, self.p = alpha, r, dropout

    def forward(self, x):
        dropped = nn.functional.dropout(x, self.p, self.training)
        return self.base(x) + self.alpha / self.r * nn.functional.linear(dropped, self.lora_B @ self.lora_A)

    def merged(self):
        return self.base.weight + self.alpha / self.r * self.lora_B @ self.lora_A
