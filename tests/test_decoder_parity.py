"""The decoder computes what Hugging Face's GPT-2 computes: every hidden state, every attention, every logit."""
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from gpt2lab.decoder import GPT2, GPT2Config

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def twins(config: GPT2Config, dtype: torch.dtype, seed: int = 0) -> tuple[GPT2, GPT2LMHeadModel]:
    """Our model and theirs with the same weights: every bias and gain random, so that none can be forgotten."""
    torch.manual_seed(seed)
    theirs = GPT2LMHeadModel(TheirConfig(
        n_layer=config.n_layer, n_head=config.n_head, n_embd=config.n_embd, n_positions=config.n_positions,
        vocab_size=config.vocab_size, layer_norm_epsilon=config.layer_norm_epsilon, bos_token_id=0, eos_token_id=0,
        attn_implementation="eager")).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.normal_(mean=float("ln_" in name and "weight" in name), std=0.2)
    ours = GPT2(config).eval()
    ours.load_state_dict({name: tensor.T if name.endswith(CONV1D) else tensor
                          for name, tensor in theirs.transformer.state_dict().items()})
    return ours.to(dtype), theirs.to(dtype)


def assert_same(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Within 1e-5 or 1e-10, taken relative to the largest number where that exceeds 1."""
    assert ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype, what
    allowed = TOLERANCE[ours.dtype] * max(1.0, theirs.abs().max().item())
    worst = (ours - theirs).abs().max().item()
    assert worst <= allowed, f"{what}: differs by {worst:.2e}, allowed {allowed:.2e}"


@torch.no_grad()
def compare_everything(ours: GPT2, theirs: GPT2LMHeadModel, ids: Tensor, attention_mask: Tensor | None = None) -> None:
    """Logits, hidden states and attentions, and the fused path beside the one that shows its weights."""
    real = torch.ones_like(ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    positions = None if attention_mask is None else (attention_mask.cumsum(-1) - 1).clamp(min=0)
    a = ours(ids, attention_mask=attention_mask, output_attentions=True, output_hidden_states=True)
    b = theirs(ids, attention_mask=attention_mask, position_ids=positions, output_attentions=True, output_hidden_states=True)
    assert len(a.hidden_states) == len(b.hidden_states) == ours.config.n_layer + 1
    assert len(a.attentions) == len(b.attentions) == ours.config.n_layer
    for layer, (x, y) in enumerate(zip(a.hidden_states, b.hidden_states)):
        assert_same(x[real], y[real], f"hidden state {layer}")
    for layer, (x, y) in enumerate(zip(a.attentions, b.attentions)):
        assert_same(x.transpose(1, 2)[real], y.transpose(1, 2)[real], f"attention {layer}")     # rows of real queries
    assert_same(a.logits[real], b.logits[real], "logits")
    assert_same(ours(ids, attention_mask=attention_mask).logits[real], b.logits[real], "logits of the fused path")


def left_padding(lengths: list[int], T: int) -> Tensor:
    """(B, T) with the last `length` places of each row 1."""
    return (torch.arange(T)[None] >= T - torch.tensor(lengths)[:, None]).long()


@dtypes
def test_every_number_equals_hugging_face(dtype):
    ours, theirs = twins(GPT2Config(n_layer=4, n_head=4, n_embd=64, n_positions=48, vocab_size=211), dtype)
    compare_everything(ours, theirs, torch.randint(211, (3, 48)))


@dtypes
def test_left_padding_equals_hugging_face(dtype):
    ours, theirs = twins(GPT2Config(n_layer=3, n_head=2, n_embd=32, n_positions=24, vocab_size=101), dtype)
    compare_everything(ours, theirs, torch.randint(101, (4, 20)), left_padding([20, 1, 7, 19], 20))


@dtypes
@pytest.mark.parametrize("cuts", [[1] * 12, [5, 7], [11, 1], [1, 4, 2, 5]], ids=str)
@pytest.mark.parametrize("padded", [False, True])
def test_cache_equals_hugging_face(dtype, cuts, padded):
    """Ours in pieces through a cache, theirs whole and theirs in the same pieces: all three agree."""
    ours, theirs = twins(GPT2Config(n_layer=3, n_head=2, n_embd=32, n_positions=16, vocab_size=101), dtype)
    ids = torch.randint(101, (3, 12))
    mask = left_padding([12, 3, 8], 12) if padded else torch.ones(3, 12, dtype=torch.long)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache, past, end, pieces, theirs_cached = ours.new_cache(), None, 0, [], []
    with torch.no_grad():
        whole = theirs(ids, attention_mask=mask, position_ids=positions, output_hidden_states=True)
        for cut in cuts:
            start, end = end, end + cut
            pieces.append(ours(ids[:, start:end], attention_mask=mask[:, :end] if padded else None, cache=cache,
                               output_hidden_states=True))
            step = theirs(ids[:, start:end], attention_mask=mask[:, :end], position_ids=positions[:, start:end],
                          past_key_values=past, use_cache=True)
            past = step.past_key_values
            theirs_cached.append(step.logits)
    real = mask.bool()
    assert_same(torch.cat([p.logits for p in pieces], 1)[real], whole.logits[real], "logits against the whole text")
    assert_same(torch.cat([p.logits for p in pieces], 1)[real], torch.cat(theirs_cached, 1)[real], "logits against their cache")
    for layer in range(4):
        state = torch.cat([p.hidden_states[layer] for p in pieces], 1)
        assert_same(state[real], whole.hidden_states[layer][real], f"hidden state {layer}")


@torch.no_grad()
def test_attentions_with_a_cache_are_the_last_rows_of_the_whole_table():
    ours, theirs = twins(GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=16, vocab_size=31), torch.float64)
    ids, cache = torch.randint(31, (2, 10)), ours.new_cache()
    whole = theirs(ids, output_attentions=True).attentions
    ours(ids[:, :6], cache=cache)
    for layer, weights in enumerate(ours(ids[:, 6:], cache=cache, output_attentions=True).attentions):
        assert_same(weights, whole[layer][:, :, 6:], f"attention {layer}")


@torch.no_grad()
def test_given_position_ids_are_used():
    ours, theirs = twins(GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=16, vocab_size=31), torch.float64)
    ids, positions = torch.randint(31, (2, 5)), torch.tensor([[3, 1, 4, 15, 9], [2, 6, 5, 3, 5]])
    assert_same(ours(ids, position_ids=positions).logits, theirs(ids, position_ids=positions).logits, "logits")
    one_row = torch.tensor([[7, 8, 9, 10, 11]])
    assert_same(ours(ids, position_ids=one_row).logits, theirs(ids, position_ids=one_row).logits, "logits, one row for all")


@torch.no_grad()
def test_greedy_continuation_equals_hugging_face_generate():
    ours, theirs = twins(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=32, vocab_size=61), torch.float64)
    theirs.generation_config.eos_token_id = theirs.generation_config.pad_token_id = None
    prompt = torch.randint(61, (2, 6))
    expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False)
    ids, cache, new = prompt, ours.new_cache(), prompt
    for _ in range(20):
        new = ours(new, cache=cache).logits[:, -1:].argmax(-1)
        ids = torch.cat([ids, new], dim=1)
    assert ids.tolist() == expected.tolist()


@st.composite
def small_models(draw) -> tuple[GPT2Config, int, int, int]:
    """A config, a batch size, a length and a seed."""
    heads = draw(st.integers(1, 4))
    config = GPT2Config(n_layer=draw(st.integers(1, 3)), n_head=heads, n_embd=heads * draw(st.integers(1, 9)),
                        n_positions=draw(st.integers(1, 24)), vocab_size=draw(st.integers(1, 64)),
                        layer_norm_epsilon=draw(st.sampled_from([1e-5, 1e-3, 1e-12])))
    return config, draw(st.integers(1, 4)), draw(st.integers(1, config.n_positions)), draw(st.integers(0, 2**31 - 1))


@settings(max_examples=40, deadline=None)
@given(small_models(), st.booleans(), st.data())
def test_any_small_model_equals_hugging_face(drawn, padded, data):
    config, B, T, seed = drawn
    ours, theirs = twins(config, torch.float64, seed)
    ids = torch.randint(config.vocab_size, (B, T))
    mask = None
    if padded:
        mask = left_padding(data.draw(st.lists(st.integers(1, T), min_size=B, max_size=B)), T)
    compare_everything(ours, theirs, ids, mask)


@settings(max_examples=25, deadline=None)
@given(small_models(), st.data())
def test_any_way_to_cut_a_text_gives_the_same_logits(drawn, data):
    config, B, T, seed = drawn
    torch.manual_seed(seed)
    model = GPT2(config).double().eval()
    ids, cache, start, pieces = torch.randint(config.vocab_size, (B, T)), model.new_cache(), 0, []
    with torch.no_grad():
        while start < T:
            end = data.draw(st.integers(start + 1, T))
            pieces.append(model(ids[:, start:end], cache=cache).logits)
            start = end
        assert_same(torch.cat(pieces, dim=1), model(ids).logits, "logits")
