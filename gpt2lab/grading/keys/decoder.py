"""Chapter 03: references of the exercise's pieces, and their wrong versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2lab import decoder as floor

# --- embed --------------------------------------------------------------------------------------------------------

Positions = Callable[[Tensor, int, int], Tensor]  # (input_ids, past_length, n_positions) -> (T,) or (B, T)


def _counted(input_ids: Tensor, past: int, limit: int) -> Tensor:
    return torch.arange(past, past + input_ids.shape[1])


def _embed(input_ids: Tensor, wte: Tensor, wpe: Tensor, past_length: int = 0, *, positions: Positions = _counted,
           check: bool = True, factor: float = 1.0) -> Tensor:  # fmt: skip
    n = past_length + input_ids.shape[1]
    if check and n > len(wpe):
        raise ValueError(f"{n} tokens, but the model has {len(wpe)} positions")
    return wte[input_ids] * factor + wpe[positions(input_ids, past_length, len(wpe))]


embed = _embed
positions_by_token = partial(_embed, positions=lambda ids, past, limit: ids)
positions_from_one = partial(_embed, positions=lambda ids, past, limit: _counted(ids, past, limit) + 1)
positions_clipped = partial(
    _embed, check=False, positions=lambda ids, past, limit: _counted(ids, past, limit).clamp(max=limit - 1)
)
positions_wrapped = partial(_embed, check=False, positions=lambda ids, past, limit: _counted(ids, past, limit) % limit)
positions_restart = partial(_embed, positions=lambda ids, past, limit: _counted(ids, 0, limit))
positions_by_batch = partial(_embed, positions=lambda ids, past, limit: torch.arange(ids.shape[0])[:, None])
positions_all_past = partial(_embed, positions=lambda ids, past, limit: torch.full((ids.shape[1],), past))


def positions_cropped(input_ids, wte, wpe, past_length=0):
    """Drops the oldest tokens without a word."""
    keep = min(input_ids.shape[1], len(wpe))
    return _embed(input_ids[:, -keep:], wte, wpe, min(past_length, len(wpe) - keep))


def no_positions(input_ids, wte, wpe, past_length=0):
    return _embed(input_ids, wte, torch.zeros_like(wpe), past_length)


def concatenated(input_ids, wte, wpe, past_length=0):
    tokens = _embed(input_ids, wte, torch.zeros_like(wpe), past_length)
    return torch.cat([tokens, (_embed(input_ids, torch.zeros_like(wte), wpe, past_length)).expand_as(tokens)], dim=-1)


def multiplied(input_ids, wte, wpe, past_length=0):
    return no_positions(input_ids, wte, wpe, past_length) * _embed(input_ids, torch.zeros_like(wte), wpe, past_length)


def scaled_embedding(input_ids, wte, wpe, past_length=0):
    return _embed(input_ids, wte, wpe, past_length, factor=math.sqrt(wte.shape[1]))


# --- LayerNorm ----------------------------------------------------------------------------------------------------


class _Norm(floor.LayerNorm):
    axes: tuple[int, ...] = (-1,)
    ddof = 0
    outside = False
    fixed_eps: float | None = None
    centre = True
    gain: Callable[[Tensor], Tensor] = staticmethod(lambda weight: weight)
    shift = 1.0

    def forward(self, x: Tensor) -> Tensor:
        eps = self.eps if self.fixed_eps is None else self.fixed_eps
        axes = [a for a in self.axes if -a <= x.dim()]
        middle = x.mean(axes, keepdim=True)
        var = x.var(axes, correction=self.ddof, keepdim=True) if self.centre else x.pow(2).mean(axes, keepdim=True)
        std = var.sqrt() + eps if self.outside else (var + eps).sqrt()
        return self.gain(self.weight) * ((x - middle if self.centre else x) / std) + self.shift * self.bias


def _norm(**parts) -> type[nn.Module]:
    return type("Wrong", (_Norm,), {k: staticmethod(v) if callable(v) else v for k, v in parts.items()})


norm_ddof = _norm(ddof=1)
norm_eps_outside = _norm(outside=True)
norm_ddof_and_outside = _norm(ddof=1, outside=True)
norm_tiny_eps = _norm(fixed_eps=1e-12)
norm_default_eps = _norm(fixed_eps=1e-5)
norm_over_time = _norm(axes=(-2,))
norm_over_everything = _norm(axes=(-3, -2, -1))
norm_over_sequence = _norm(axes=(-2, -1))
norm_rms = _norm(centre=False)
norm_no_gain = _norm(gain=torch.ones_like)
norm_no_bias = _norm(shift=0.0)
norm_no_gain_or_bias = _norm(gain=torch.ones_like, shift=0.0)
norm_gain_plus_one = _norm(gain=lambda weight: 1 + weight)


class norm_by_variance(_Norm):
    def forward(self, x: Tensor) -> Tensor:
        var = x.var(-1, correction=0, keepdim=True)
        return self.weight * (x - x.mean(-1, keepdim=True)) / (var + self.eps) + self.bias


class norm_centre_only(_Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x - x.mean(-1, keepdim=True)) + self.bias


# --- gelu and MLP -------------------------------------------------------------------------------------------------


def gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _tanh_gelu(x: Tensor, *, root: float = math.sqrt(2 / math.pi), cube: float = 0.044715, half: float = 0.5) -> Tensor:
    return half * x * (1 + torch.tanh(root * (x + cube * x**3)))


gelu_erf = F.gelu
gelu_relu = F.relu
gelu_silu = F.silu
gelu_no_cube = partial(_tanh_gelu, cube=0.0)
gelu_no_root = partial(_tanh_gelu, root=2 / math.pi)
gelu_no_half = partial(_tanh_gelu, half=1.0)
gelu_tanh_only = torch.tanh
gelu_cube_misread = partial(_tanh_gelu, cube=0.44715)


def gelu_sigmoid(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


class _MLP(floor.MLP):
    act = staticmethod(gelu)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.act(self.c_fc(x)))


def _mlp(act: Callable) -> type[nn.Module]:
    return type("Wrong", (_MLP,), {"act": staticmethod(act)})


mlp_erf, mlp_relu, mlp_sigmoid = _mlp(gelu_erf), _mlp(gelu_relu), _mlp(gelu_sigmoid)
mlp_no_activation = _mlp(lambda x: x)


class mlp_gelu_late(_MLP):
    def forward(self, x: Tensor) -> Tensor:
        return gelu(self.c_proj(self.c_fc(x)))


class mlp_gelu_twice(_MLP):
    def forward(self, x: Tensor) -> Tensor:
        return gelu(super().forward(x))


class mlp_with_residual(_MLP):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class mlp_dropout_awake(_MLP):
    def __init__(self, config) -> None:
        super().__init__(config)
        self.p = config.resid_pdrop

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(super().forward(x), self.p)


# --- Block --------------------------------------------------------------------------------------------------------


class _Block(floor.Block):
    def attend(self, x: Tensor) -> Tensor:
        return self.attn(x)[0]


class block_post_ln(_Block):
    def forward(self, x):
        x = self.ln_1(x + self.attend(x))
        return self.ln_2(x + self.mlp(x))


class block_residual_from_normalised(_Block):
    def forward(self, x):
        x = self.ln_1(x)
        x = x + self.attend(x)
        x = self.ln_2(x)
        return x + self.mlp(x)


class block_first_residual_from_normalised(_Block):
    def forward(self, x):
        x = self.ln_1(x)
        x = x + self.attend(x)
        return x + self.mlp(self.ln_2(x))


class block_one_ln(_Block):
    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp(self.ln_1(x))


class block_ln_swapped(_Block):
    def forward(self, x):
        x = x + self.attend(self.ln_2(x))
        return x + self.mlp(self.ln_1(x))


class block_parallel(_Block):
    def forward(self, x):
        return x + self.attend(self.ln_1(x)) + self.mlp(self.ln_2(x))


class block_same_copy_for_both(_Block):
    def forward(self, x):
        y = self.ln_1(x)
        return x + self.attend(y) + self.mlp(y)


class block_no_residual(_Block):
    def forward(self, x):
        return self.mlp(self.ln_2(self.attend(self.ln_1(x))))


class block_no_second_residual(_Block):
    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return self.mlp(self.ln_2(x))


class block_no_first_residual(_Block):
    def forward(self, x):
        x = self.attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class block_old_residual(_Block):
    """The second sum starts from the block's input again."""

    def forward(self, x):
        return x + self.mlp(self.ln_2(x + self.attend(self.ln_1(x))))


class block_no_ln(_Block):
    def forward(self, x):
        x = x + self.attend(x)
        return x + self.mlp(x)


class block_no_second_ln(_Block):
    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp(x)


class block_ln_on_answers(_Block):
    def forward(self, x):
        x = x + self.ln_1(self.attend(x))
        return x + self.ln_2(self.mlp(x))


class block_mlp_first(_Block):
    def forward(self, x):
        x = x + self.mlp(self.ln_2(x))
        return x + self.attend(self.ln_1(x))


# --- GPT2 ---------------------------------------------------------------------------------------------------------


class _GPT2(floor.GPT2):
    """The model in three steps that can be exchanged for wrong ones."""

    def start(self, ids: Tensor) -> Tensor:
        return embed(ids, self.wte.weight, self.wpe.weight)

    def middle(self, x: Tensor) -> Tensor:
        for block in self.h:
            x = block(x)[0]
        return x

    def end(self, x: Tensor) -> Tensor:
        return self.ln_f(x) @ self.wte.weight.T

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.end(self.middle(self.start(input_ids)))


class model_no_ln_f(_GPT2):
    def end(self, x):
        return x @ self.wte.weight.T


class model_ln_f_first(_GPT2):
    def start(self, ids):
        return self.ln_f(super().start(ids))

    def end(self, x):
        return x @ self.wte.weight.T


class model_ln_f_after_every_block(_GPT2):
    def middle(self, x):
        for block in self.h:
            x = self.ln_f(block(x)[0])
        return x

    def end(self, x):
        return x @ self.wte.weight.T


class model_hidden_states(_GPT2):
    def end(self, x):
        return self.ln_f(x)


class model_probabilities(_GPT2):
    def end(self, x):
        return super().end(x).softmax(-1)


class model_last_token_only(_GPT2):
    def end(self, x):
        return super().end(x[:, -1:])


class model_last_token_flat(_GPT2):
    def end(self, x):
        return super().end(x[:, -1])


class model_first_block_again(_GPT2):
    def middle(self, x):
        for _ in self.h:
            x = self.h[0](x)[0]
        return x


class model_last_block_again(_GPT2):
    """ModuleList([block] * n_layer): one block under many names keeps the weights loaded last."""

    def middle(self, x):
        for _ in self.h:
            x = self.h[-1](x)[0]
        return x


class model_first_block_only(_GPT2):
    def middle(self, x):
        return self.h[0](x)[0]


class model_every_block_from_start(_GPT2):
    def middle(self, x):
        return self.h[-1](x)[0]


def _model_start(function: Callable) -> type[nn.Module]:
    return type("Wrong", (_GPT2,), {"start": lambda self, ids: function(ids, self.wte.weight, self.wpe.weight)})


model_positions_from_one = _model_start(positions_from_one)
model_positions_by_token = _model_start(positions_by_token)
model_no_positions = _model_start(no_positions)
model_clipped = _model_start(positions_clipped)
model_wrapped = _model_start(positions_wrapped)
model_cropped = _model_start(positions_cropped)
model_scaled_embedding = _model_start(scaled_embedding)

# --- next_token_loss ----------------------------------------------------------------------------------------------


def next_token_loss(logits: Tensor, input_ids: Tensor) -> Tensor:
    return _loss(logits, input_ids)


def _loss(logits: Tensor, input_ids: Tensor, *, shift: int = 1, reduction: str = "mean") -> Tensor:
    """shift=1: position t is asked for token t + 1; -1: for token t - 1."""
    T = input_ids.shape[1]
    at = slice(max(0, -shift), min(T, T - shift))
    asked = slice(max(0, shift), min(T, T + shift))
    return F.cross_entropy(logits[:, at].flatten(0, 1), input_ids[:, asked].flatten(), reduction=reduction)


loss_no_shift = partial(_loss, shift=0)
loss_shifted_twice = partial(_loss, shift=2)
loss_shifted_backwards = partial(_loss, shift=-1)
loss_sum = partial(_loss, reduction="sum")


def loss_per_token(logits, input_ids):
    return _loss(logits, input_ids, reduction="none")


def loss_unflattened(logits, input_ids):
    return F.cross_entropy(logits[:, :-1], input_ids[:, 1:])


def loss_of_probabilities(logits, input_ids):
    return _loss(logits.softmax(-1), input_ids)


def loss_overflowing(logits, input_ids):
    probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -probabilities[:, :-1].gather(-1, input_ids[:, 1:, None]).log().mean()


def loss_log_of_zero(logits, input_ids):
    return -logits.softmax(-1)[:, :-1].gather(-1, input_ids[:, 1:, None]).log().mean()


def loss_in_bits(logits, input_ids):
    return _loss(logits, input_ids) / math.log(2)


def loss_positive(logits, input_ids):
    return -_loss(logits, input_ids)


def loss_of_last_token(logits, input_ids):
    return _loss(logits[:, -2:], input_ids[:, -2:])


def loss_as_perplexity(logits, input_ids):
    return _loss(logits, input_ids).exp()


def loss_log_of_mean(logits, input_ids):
    """Averages the probabilities instead of their logarithms."""
    return -logits.softmax(-1)[:, :-1].gather(-1, input_ids[:, 1:, None]).mean().log()


def loss_divided_by_all(logits, input_ids):
    """The sum over B * (T - 1) predictions divided by B * T tokens."""
    return loss_sum(logits, input_ids) / input_ids.numel()


def loss_by_sequence(logits, input_ids):
    return loss_sum(logits, input_ids) / len(input_ids)


# --- count_parameters ---------------------------------------------------------------------------------------------


def count_tied_twice(model: nn.Module) -> int:
    return sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False))


def count_state_dict(model: nn.Module) -> int:
    return sum(t.numel() for t in model.state_dict().values())


def count_tensors(model: nn.Module) -> int:
    return len(list(model.parameters()))


def count_matrices(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.dim() > 1)


def count_rows(model: nn.Module) -> int:
    return sum(len(p) for p in model.parameters())


def count_bytes(model: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def count_top_only(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters(recurse=False))


def count_with_buffers(model: nn.Module) -> int:
    return sum(t.numel() for t in (*model.parameters(), *model.buffers()))
