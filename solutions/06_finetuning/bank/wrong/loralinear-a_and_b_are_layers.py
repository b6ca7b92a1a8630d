# piece: finetuning.LoRALinear
# mistake: A and B are layers
from torch import nn


class LoRALinear(nn.Module):
    """Two layers of PyTorch's: they learn, but under other names than adapter files have."""

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r <= 0:
            raise ValueError(f"rank {r}")
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, r, bias=False)
        self.lora_B = nn.Linear(r, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / r
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.base(x) + self.scaling * self.lora_B(self.lora_A(self.dropout(x)))

    def merged(self):
        linear = nn.Linear(*self.base.weight.T.shape, bias=self.base.bias is not None)
        linear.weight.data = self.base.weight + self.scaling * self.lora_B.weight @ self.lora_A.weight
        linear.bias = self.base.bias
        return linear
