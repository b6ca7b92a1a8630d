# piece: sampling.temperature_probs, sampling.top_p_filter, sampling.apply_repetition_penalty, sampling.next_token_probs, sampling.beam_step, sampling.left_pad_positions, sampling.cache_step
# PyTorch's functions: one_hot, scatter, topk, index_select.
import torch
import torch.nn.functional as F


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} < 0")
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    return torch.log_softmax(logits / temperature, dim=-1).exp()


def top_p_filter(logits, top_p):
    if not 0 <= top_p <= 1:
        raise ValueError(f"top_p={top_p}")
    probs, order = logits.softmax(-1).sort(dim=-1, descending=True)
    drop = F.pad(probs.cumsum(-1), (1, -1)) >= top_p
    drop[..., 0] = False
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), float("-inf"))


def apply_repetition_penalty(logits, prev_ids, penalty):
    if not penalty > 0:
        raise ValueError(f"{penalty} is no penalty")
    seen = logits.gather(1, prev_ids)
    return logits.scatter(1, prev_ids, torch.where(seen < 0, seen * penalty, seen / penalty))


def next_token_probs(logits, temperature=1.0, top_k=None, top_p=None):
    logits = logits.div(temperature)
    if top_k is not None:
        values, places = logits.topk(min(top_k, logits.size(-1)), dim=-1)
        logits = torch.full_like(logits, float("-inf")).scatter(-1, places, values)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    return F.softmax(logits, dim=-1)


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    K, V = log_probs.shape
    values, places = (scores.unsqueeze(1) + log_probs).view(-1).topk(min(2 * num_beams, K * V))
    beams, tokens = places.div(V, rounding_mode="floor"), places.remainder(V)
    ends = tokens == (-1 if eos_token_id is None else eos_token_id)
    among_best = ends & (torch.arange(len(ends)) < num_beams)
    finished = list(zip(values[among_best].tolist(), beams[among_best].tolist()))
    return *(x[~ends][:num_beams] for x in (values, beams, tokens)), finished


def left_pad_positions(attention_mask, past_length=0):
    positions = attention_mask.long().cumsum(-1) - 1
    return positions.masked_fill(attention_mask == 0, 1)[:, past_length:] if attention_mask.shape[1] > 1 else positions


def cache_step(past, keys, values, beams=None):
    if past is not None:
        old = past if beams is None else [x.index_select(0, beams) for x in past]
        keys, values = (torch.cat(pair, dim=2) for pair in zip(old, (keys, values)))
    return keys, values
