"""The fast decoder: half the bytes, nearly the same numbers, and the model itself wherever it has no faster way."""
from __future__ import annotations

import time
from functools import partial

import pytest
import torch
from sampling_twins import left_padded, texts, twins

from gpt2lab import fast_decoder
from gpt2lab.attention import KVCache
from gpt2lab.fast_decoder import FastDecoder, GraphDecoder, _HalfCache
from gpt2lab.sampling import generate, next_token_probs, stream

MODEL, _ = twins(1, 0.5, torch.float32)
FAST = FastDecoder(MODEL)


@torch.inference_mode()
def one_by_one(model, ids: torch.Tensor) -> torch.Tensor:
    """The logits (T - 4, V) behind the first four tokens, through a cache."""
    cache = model.new_cache()
    model(ids[:, :4], cache=cache)
    return torch.cat([model(ids[:, t:t + 1], cache=cache).logits[0] for t in range(4, ids.shape[1])])


@pytest.mark.parametrize("seed", range(5))
def test_nearly_the_same_probabilities(seed):
    ids = texts(1, 40, seed)
    exact, fast = (next_token_probs(one_by_one(model, ids)) for model in (MODEL, FAST))
    assert fast.dtype == torch.float32 and 0 < (exact - fast).abs().max() < 5e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_the_same_greedy_text_past_the_context(dtype):
    ids, fast = texts(1, 6), FastDecoder(MODEL, dtype)
    expected = generate(MODEL, ids, max_new_tokens=100)
    assert torch.equal(generate(fast, ids, max_new_tokens=100), expected)
    assert list(stream(fast, ids, max_new_tokens=100)) == expected[0, 6:].tolist()


@pytest.mark.parametrize("layout", [0, 1])
def test_in_float32_the_same_numbers_in_either_layout(layout, monkeypatch):
    """Whichever the measurement takes: rows or columns."""
    monkeypatch.setattr(fast_decoder, "_fastest", lambda ways, x: ways[layout])
    fast, ids = FastDecoder(MODEL, torch.float32), texts(1, 40)
    assert fast.head.func is (fast_decoder._by_rows, fast_decoder._by_columns)[layout]
    torch.testing.assert_close(one_by_one(fast, ids), one_by_one(MODEL, ids), rtol=1e-4, atol=1e-4)


def test_the_faster_way_is_kept_also_on_a_machine_that_is_disturbed():
    slow, quick = ([partial(lambda pause, x: time.sleep(pause) or x, pause)] * 2 for pause in (0.004, 0.001))
    assert fast_decoder._fastest([slow, quick], torch.ones(1)) is quick and fast_decoder._fastest([quick, slow], torch.ones(1)) is quick
    naps = iter([0.02, 0.02] + [0.0] * 8)              # in its first pass something else had the processor
    disturbed = [lambda x: time.sleep(next(naps)) or x] * 2
    assert fast_decoder._fastest([slow, disturbed], torch.ones(1)) is disturbed


def test_a_constant_in_all_logits_costs_no_precision():
    """float16 near 1,000 has steps of a half; the differences between tokens must stay as fine as near 0."""
    far, _ = twins(1, 0.5, torch.float32)
    with torch.no_grad():
        far.ln_f.bias.copy_(torch.full_like(far.ln_f.bias, 20.0))
        far.wte.weight.add_(torch.randn(16, generator=torch.Generator().manual_seed(0)).abs() * 4)
    ids = texts(1, 12)
    exact, fast = one_by_one(far, ids), one_by_one(FastDecoder(far), ids)
    assert exact.min() > 500, "far from 0"
    assert (exact - fast).abs().max() < 0.25 and ((exact - exact.mean(-1, keepdim=True)) - (fast - fast.mean(-1, keepdim=True))).abs().max() < 0.25


@torch.inference_mode()
def test_batches_and_padding_run_through_the_model_itself():
    ids, mask, _ = left_padded([3, 8])
    assert torch.equal(FAST(ids, attention_mask=mask).logits, MODEL(ids, attention_mask=mask).logits)
    assert torch.equal(generate(FAST, ids, attention_mask=mask, max_new_tokens=20), generate(MODEL, ids, attention_mask=mask, max_new_tokens=20))


def test_beams_run_too():
    ids = texts(1, 5)
    assert torch.equal(generate(FAST, ids, num_beams=3, max_new_tokens=12), generate(MODEL, ids, num_beams=3, max_new_tokens=12))


@pytest.mark.parametrize("chunks", [[5], [1] * 150, [70, 1, 1, 100, 1], [3, 64, 65]])
def test_its_cache_holds_what_a_cache_holds(chunks):
    ours, plain = _HalfCache(1024), KVCache()
    k, v = torch.randn(2, 2, 3, sum(chunks), 4)
    for a, b in zip(k.split(chunks, -2), v.split(chunks, -2)):
        keys, values = ours.update(a, b)
        expected = plain.update(a, b)
        assert ours.length == plain.length and keys.dtype == values.dtype == torch.float32
        torch.testing.assert_close((keys, values), expected, rtol=1e-3, atol=1e-3)
        assert ours.length > a.shape[-2] or (torch.equal(keys, a) and torch.equal(values, b)), "a prompt is read with the numbers as they are"
    ours.reorder(torch.tensor([1, 1, 0]))
    keys, values = ours.update(k[[1, 1, 0], :, :1], v[[1, 1, 0], :, :1])
    assert torch.equal(keys[2, :, :-1], k[0].half().float()) and torch.equal(values[0, :, -1], v[1, :, 0].half().float())


@pytest.mark.parametrize("length", [1, 5, 63, 64, 65, 100])
@pytest.mark.parametrize("after", ["a prompt", "reordering"])
def test_its_sums_of_rows_are_attention(length, after):
    """Also in room that is not filled, behind growth at 65 and with no room left at 101."""
    ours, plain = _HalfCache(101), KVCache()
    q, *new = torch.randn(3, 1, 3, 1, 8) * 2
    past = torch.randn(2, 2, 3, length, 8)
    for store in (ours, plain):
        store.update(*past)
        store.reorder(torch.tensor([0]) if after == "a prompt" else torch.tensor([1]))
    expected = fast_decoder._attend(q, *new, plain)
    torch.testing.assert_close(ours.attend(q, *new).float(), expected[:, 0], rtol=5e-3, atol=5e-3)
    assert ours.length == length + 1


def test_what_it_cannot_do_it_says():
    with pytest.raises(ValueError, match="bfloat16.*model.half"):
        FastDecoder(twins(1, 0.5, torch.bfloat16)[0])
    with pytest.raises(ValueError, match="dtype=torch.bfloat16"):
        FastDecoder(MODEL, torch.bfloat16)
    large, _ = twins(1, 0.5, torch.float32)
    with torch.no_grad():
        large.h[1].mlp.c_fc.weight[0, 0] = 1e5
    with pytest.raises(ValueError, match="1e[+]05.*float16 ends at 65,504"):
        FastDecoder(large)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def recorded(request):
    """The model on a device, and beside it the decoder that replays it."""
    model = twins(1, 0.5, torch.float32)[0].to(request.param)
    return model, GraphDecoder(model), request.param


@pytest.mark.parametrize("rows, settings", [(1, {}), (3, {}), (2, {"num_beams": 3}), (1, {"do_sample": True, "temperature": 1.2})], ids=str)
def test_a_replayed_step_writes_the_models_text(recorded, rows, settings):
    model, replayed, device = recorded
    seeds = [torch.Generator().manual_seed(4) for _ in range(2)] if settings.get("do_sample") else [None, None]
    expected, seen = (generate(m, texts(rows, 6).to(device), max_new_tokens=30, generator=g, **settings)
                      for m, g in zip((model, replayed), seeds))
    assert torch.equal(expected, seen)


def test_replaying_goes_on_past_the_context_and_after_padding(recorded):
    model, replayed, device = recorded
    ids = texts(1, 6).to(device)
    assert torch.equal(generate(replayed, ids, max_new_tokens=100), generate(model, ids, max_new_tokens=100))
    ids, mask = (t.to(device) for t in left_padded([3, 8])[:2])
    assert torch.equal(generate(replayed, ids, attention_mask=mask, max_new_tokens=20),
                       generate(model, ids, attention_mask=mask, max_new_tokens=20))


@torch.inference_mode()
def test_replayed_logits_are_the_models_and_stay_what_they_are(recorded):
    model, replayed, device = recorded
    ids, caches = texts(1, 20).to(device), (model.new_cache(), replayed.new_cache())
    for m, cache in zip((model, replayed), caches):
        m(ids[:, :5], cache=cache)
    both = [[m(ids[:, t:t + 1], cache=cache).logits for t in range(5, 20)] for m, cache in zip((model, replayed), caches)]
    assert caches[1][0].play and caches[1][0].length == 20, "the recorded way was taken"
    torch.testing.assert_close(torch.cat(both[1]), torch.cat(both[0]), rtol=1e-4, atol=1e-4)


def test_a_replayed_step_stays_on_its_device():
    """The meta device stands for a GPU: it meets no tensor of the CPU's."""
    model = twins(1, 0.5, torch.float32)[0].to("meta")
    replayed, ids = GraphDecoder(model), texts(2, 6).to("meta")
    cache = replayed.new_cache()
    for new in (ids[:, :4], ids[:, 4:5], ids[:, 5:]):
        logits = replayed(new, cache=cache).logits
    assert logits.is_meta and cache[0].play and cache[0].length == 6


@torch.inference_mode()
def test_recorded_once_and_anew_when_the_rows_change(recorded, monkeypatch):
    model, replayed, device = recorded
    records, record = [], fast_decoder._record
    monkeypatch.setattr(fast_decoder, "_record", lambda *how: records.append(how) or record(*how))
    ids, cache = texts(2, 12).to(device), replayed.new_cache()
    for new in (ids[:, :6], *ids[:, 6:10].split(1, dim=1)):
        replayed(new, cache=cache)
    rows = torch.tensor([1, 0, 1], device=device)
    for layer in cache:
        layer.reorder(rows)
    seen = [replayed(ids[rows, t:t + 1], cache=cache).logits[:, -1] for t in (10, 11)]
    torch.testing.assert_close(torch.stack(seen, dim=1), model(ids[rows]).logits[:, 10:], rtol=1e-4, atol=1e-4)
    assert len(records) == 2


def test_two_streams_at_once_do_not_disturb_each_other(recorded):
    model, replayed, device = recorded
    prompts = [texts(1, 5, seed).to(device) for seed in (1, 2)]
    together = list(zip(*(stream(replayed, ids, max_new_tokens=12) for ids in prompts)))
    assert [list(one) for one in zip(*together)] == [generate(model, ids, max_new_tokens=12)[0, 5:].tolist() for ids in prompts]


@pytest.mark.parametrize("decoder", [FAST, GraphDecoder(MODEL)], ids=["fast", "recorded"])
def test_a_call_that_was_interrupted_is_noticed(decoder):
    """Some layers hold its token, others do not: no short way may go on from there."""
    ids, cache = texts(1, 6), decoder.new_cache()
    decoder(ids[:, :4], cache=cache)
    cache[0].length += 1
    with pytest.raises(ValueError, match="4 to 5 tokens.*interrupted"):
        decoder(ids[:, 4:5], cache=cache)
