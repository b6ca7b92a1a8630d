# piece: sampling.temperature_probs, sampling.top_p_filter, sampling.apply_repetition_penalty, sampling.next_token_probs, sampling.beam_step, sampling.left_pad_positions, sampling.cache_step
# Written from the definitions: no sort where a comparison of all with all says it, probabilities until the end.
import torch


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError("temperature must not be below 0: " + str(temperature))
    shifted = logits - logits.amax(-1, keepdim=True)
    if temperature == 0:
        at_top = shifted == 0
        return (at_top & (at_top.cumsum(-1) == 1)).float()
    weights = (shifted / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)


def top_p_filter(logits, top_p):
    if top_p < 0 or top_p > 1:
        raise ValueError("top_p=" + str(top_p))
    probs = logits.softmax(-1)
    better = logits[..., None, :] > logits[..., :, None]            # (..., V, V): is column j better than row i?
    before = (better * probs[..., None, :]).sum(-1)                 # what is more likely than token i, together
    keep = (before < top_p) | ~better.any(-1)
    return torch.where(keep, logits, -torch.inf)


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError("repetition_penalty=" + str(penalty))
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, prev_ids, True)
    factor = torch.full_like(logits, penalty) ** -logits.sign()
    return torch.where(seen, logits * factor, logits)


def next_token_probs(logits, temperature=1.0, top_k=None, top_p=None):
    probs = temperature_probs(logits, temperature)
    better = (probs[..., None, :] > probs[..., :, None]).sum(-1)    # how many tokens are more likely
    if top_k is not None:
        probs = probs * (better < top_k)
        probs = probs / probs.sum(-1, keepdim=True)
    if top_p is not None:
        probs = probs * (top_p_filter(probs.log(), top_p) > -torch.inf)
    return probs / probs.sum(-1, keepdim=True)


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    totals = scores[:, None] + log_probs
    order = totals.flatten().argsort(descending=True)
    beams, tokens = order // totals.shape[1], order % totals.shape[1]
    if eos_token_id is None:
        going, finished = slice(num_beams), []
    else:
        going = (tokens != eos_token_id).nonzero()[:num_beams, 0]
        finished = [(totals[b, t].item(), b.item()) for b, t in zip(beams[:num_beams], tokens) if t == eos_token_id]
    return totals[beams[going], tokens[going]], beams[going], tokens[going], finished


def left_pad_positions(attention_mask, past_length=0):
    T = attention_mask.shape[1]
    pads = T - attention_mask.sum(1, keepdim=True)
    return torch.arange(past_length, T).sub(pads).clamp(min=0)


def cache_step(past, keys, values, beams=None):
    if past is None:
        return keys, values
    whole = []
    for old, new in zip(past, [keys, values]):
        B, H, S, d = old.shape
        room = old.new_empty(B, H, S + new.shape[2], d)
        room[:, :, :S] = old if beams is None else old[beams]
        room[:, :, S:] = new
        whole.append(room)
    return tuple(whole)
