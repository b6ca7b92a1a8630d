"""The pieces of exercise 06 fit together: a learner's own targets, loss, clipping, schedule, optimizer and adapters train a learner's own GPT-2."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import gpt2lab.decoder
import gpt2lab.finetuning
import gpt2lab.lora

from .test_exercises_together import pieces_of

TINY = gpt2lab.decoder.GPT2Config(
    n_layer=2, n_head=2, n_embd=16, n_positions=16, vocab_size=23, initializer_range=0.2, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0
)


@pytest.fixture(scope="module")
def pieces():
    return pieces_of("06_finetuning")


@pytest.fixture(scope="module")
def own_gpt2():
    """Exercise 03 on the attention of exercise 02."""
    decoder = pieces_of("03_decoder")
    decoder["CausalSelfAttention"] = pieces_of("02_attention")["CausalSelfAttention"]
    return decoder["GPT2"]


def padded(lengths: list[int], T: int, left: bool = False) -> tuple[Tensor, Tensor]:
    ids, places = torch.randint(TINY.vocab_size, (len(lengths), T)), torch.arange(T)
    mask = torch.stack([(places >= T - n if left else places < n).long() for n in lengths])
    return ids, mask


@pytest.mark.parametrize("left", [False, True], ids=["padded on the right", "padded on the left"])
def test_targets_and_loss_as_in_the_package(pieces, left):
    torch.manual_seed(0)
    batches = []
    for lengths, T in (([9, 4, 7], 9), ([5], 5), ([2, 8], 8)):
        ids, mask = padded(lengths, T, left)
        mine, theirs = pieces["shift_targets"](ids, mask), gpt2lab.finetuning.shift_targets(ids, mask)
        assert all(a.equal(b) for a, b in zip(mine, theirs, strict=True))
        assert int((mine[1] != -100).sum()) == sum(n - 1 for n in lengths)
        batches.append((torch.randn(len(lengths), T - 1, TINY.vocab_size), mine[1]))
    torch.testing.assert_close(pieces["token_mean_loss"](batches), gpt2lab.finetuning.token_mean_loss(batches))


def test_schedule_as_in_the_package(pieces):
    for warmup_steps, max_steps, min_lr in ((0, 7, 0.0), (5, 20, 0.01), (1, 2, 0.1), (12, 100, 0.0)):
        settings = {"learning_rate": 0.3, "warmup_steps": warmup_steps, "max_steps": max_steps, "min_lr": min_lr}
        mine = [pieces["lr_at"](step, **settings) for step in range(max_steps + 3)]
        assert mine == pytest.approx([gpt2lab.finetuning.lr_at(step, **settings) for step in range(max_steps + 3)])


def test_clipping_as_in_the_package(pieces):
    torch.manual_seed(0)
    grads = [torch.randn(3, 4), torch.randn(5), torch.randn(2, 1, 2)]
    for max_norm in (0.1, 3.0, 50.0):
        (mine, norm), (theirs, their_norm) = (f["clip_gradients"](grads, max_norm) for f in (pieces, vars(gpt2lab.finetuning)))
        torch.testing.assert_close(norm, their_norm)
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b)


def test_adapter_as_in_the_package(pieces):
    torch.manual_seed(0)
    base = torch.nn.Linear(6, 4)
    mine, theirs = (f["LoRALinear"](copy.deepcopy(base), r=3, alpha=5) for f in (pieces, vars(gpt2lab.lora)))
    torch.nn.init.normal_(theirs.lora_B)
    mine.load_state_dict(theirs.state_dict())  # the same names and shapes
    assert [n for n, p in mine.named_parameters() if p.requires_grad] == [n for n, p in theirs.named_parameters() if p.requires_grad]
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(mine(x), theirs(x))
    torch.testing.assert_close(mine.merged().weight, theirs.merged().weight)
    torch.testing.assert_close(mine.merged()(x), theirs(x))


def own_step(pieces, model, weights, state, micro_batches, step, settings):
    """One step of training with nothing but the learner's pieces; the norm before clipping."""
    micro_grads, counts = [], []
    for ids, mask in micro_batches:
        inputs, targets = pieces["shift_targets"](ids, mask)
        counts.append(int((targets != -100).sum()))
        loss = pieces["token_mean_loss"]([(model(inputs), targets)]) * counts[-1]
        micro_grads.append(torch.autograd.grad(loss, weights))
    grads, norm = pieces["step_gradients"](micro_grads, counts, 0.5)
    rate = pieces["lr_at"](step, learning_rate=0.02, warmup_steps=2, max_steps=6, min_lr=0.001)
    for i, (weight, grad) in enumerate(zip(weights, grads, strict=True)):
        new, *state[i] = pieces["adamw_step"](weight.data, grad, *state[i], step + 1, lr=rate, **settings)
        weight.data.copy_(new)
    return float(norm)


def test_own_training_is_that_of_pytorch_on_the_whole_batch(pieces, own_gpt2):
    """Micro-batches of unequal size, length and padding, against one big batch, torch.optim.AdamW and clip_grad_norm_: the same weights."""
    torch.manual_seed(0)
    theirs = gpt2lab.decoder.GPT2(TINY)
    mine = own_gpt2(TINY)
    mine.load_state_dict(theirs.state_dict())
    settings = {"betas": (0.9, 0.95), "eps": 1e-3, "weight_decay": 0.2}  # a gradient near 0 may round either way: eps says how near
    optimizer = torch.optim.AdamW(theirs.parameters(), **settings)
    weights = list(mine.parameters())
    state = [[torch.zeros_like(w), torch.zeros_like(w)] for w in weights]
    norms = []
    for step in range(6):
        lengths = [[9, 3], [6], [2, 12, 5]]
        batches = [padded(part, max(part)) for part in lengths]
        mine_norm = own_step(pieces, mine, weights, state, batches, step, settings)
        ids = torch.cat([F.pad(part, (0, 12 - part.shape[1])) for part, _ in batches])
        labels = torch.cat([F.pad(part.masked_fill(mask == 0, -100), (0, 12 - part.shape[1]), value=-100) for part, mask in batches])
        loss = F.cross_entropy(theirs(ids).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)))
        assert mine_norm == pytest.approx(norms[-1], rel=1e-4)
        optimizer.param_groups[0]["lr"] = gpt2lab.finetuning.lr_at(
            step, learning_rate=0.02, warmup_steps=2, max_steps=6, min_lr=0.001
        )
        optimizer.step()
    assert max(norms) > 0.5, "nothing was clipped"
    for (name, a), b in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_own_adapters_train_own_gpt2_and_merge(pieces, own_gpt2):
    """The loss goes down, the base stays as it was, and the merged model is an ordinary one with the same logits."""
    torch.manual_seed(0)
    model = own_gpt2(TINY)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for block in model.h:
        block.attn.c_attn = pieces["LoRALinear"](block.attn.c_attn, r=2, alpha=8)
        block.mlp.c_fc = pieces["LoRALinear"](block.mlp.c_fc, r=2, alpha=8)
    weights = [w for name, w in model.named_parameters() if "lora_" in name]
    state = [[torch.zeros_like(w), torch.zeros_like(w)] for w in weights]
    batch = padded([9, 5, 12], 12)
    inputs, targets = pieces["shift_targets"](*batch)

    def loss() -> float:
        with torch.no_grad():
            return pieces["token_mean_loss"]([(model(inputs), targets)]).item()

    first = loss()
    for step in range(6):
        settings = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.0}
        own_step(pieces, model, weights, state, [batch], step, settings)
    assert loss() < first - 0.1
    logits = model.eval()(inputs)
    for i, block in enumerate(model.h):
        for part, name in (("attn", "c_attn"), ("mlp", "c_fc")):
            adapted = getattr(getattr(block, part), name)
            assert adapted.base.weight.equal(before[f"h.{i}.{part}.{name}.weight"])
            setattr(getattr(block, part), name, adapted.merged())
    assert model.state_dict().keys() == before.keys()
    torch.testing.assert_close(model(inputs), logits, rtol=1e-5, atol=1e-5)
