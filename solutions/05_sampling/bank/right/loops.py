# piece: sampling.temperature_probs, sampling.top_p_filter, sampling.apply_repetition_penalty, sampling.next_token_probs, sampling.beam_step, sampling.left_pad_positions, sampling.cache_step
# One row, one token, one beam at a time, in plain Python.
import math

import torch


def by_rows(function, logits):
    rows = logits.reshape(-1, logits.shape[-1]).tolist()
    return torch.tensor([function(row) for row in rows]).reshape(logits.shape)


def softmax(row):
    big = max(row)
    exps = [math.exp(x - big) for x in row]
    return [e / sum(exps) for e in exps]


def temperature_probs(logits, temperature):
    if temperature < 0:
        raise ValueError("negative temperature %g" % temperature)

    def one(row):
        if temperature == 0:
            best = row.index(max(row))
            return [1.0 if i == best else 0.0 for i in range(len(row))]
        return softmax([x / temperature for x in row])

    return by_rows(one, logits)


def top_p_filter(logits, top_p):
    if top_p < 0 or top_p > 1:
        raise ValueError("top_p is %s" % top_p)

    def one(row):
        probs = softmax(row)
        kept, total = [], 0.0
        for i in sorted(range(len(row)), key=lambda i: -row[i]):
            kept.append(i)
            total += probs[i]
            if total >= top_p and top_p < 1:
                break
        return [row[i] if i in kept else -math.inf for i in range(len(row))]

    return by_rows(one, logits)


def apply_repetition_penalty(logits, prev_ids, penalty):
    if penalty <= 0:
        raise ValueError("penalty is %s" % penalty)
    rows = []
    for row, seen in zip(logits.tolist(), prev_ids.tolist()):
        for token in set(seen):
            row[token] = row[token] / penalty if row[token] > 0 else row[token] * penalty
        rows.append(row)
    return torch.tensor(rows)


def next_token_probs(logits, temperature=1.0, top_k=None, top_p=None):
    logits = logits / temperature
    if top_k is not None:
        logits = by_rows(lambda row: [x if x in sorted(row)[-top_k:] else -math.inf for x in row], logits)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    return by_rows(softmax, logits)


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    candidates = []
    for beam, score in enumerate(scores.tolist()):
        for token, log_prob in enumerate(log_probs[beam].tolist()):
            candidates.append((score + log_prob, beam, token))
    candidates.sort(reverse=True)
    going, finished = [], []
    for rank, (score, beam, token) in enumerate(candidates[: 2 * num_beams]):
        if token != eos_token_id:
            going.append((score, beam, token))
        elif rank < num_beams:
            finished.append((score, beam))
    scores, beams, tokens = zip(*going[:num_beams])
    return torch.tensor(scores), torch.tensor(beams), torch.tensor(tokens), finished


def left_pad_positions(attention_mask, past_length=0):
    rows = []
    for row in attention_mask.tolist():
        positions, at = [], 0
        for token in row:
            positions.append(at)
            at += token
        rows.append(positions[past_length:])
    return torch.tensor(rows)


def cache_step(past, keys, values, beams=None):
    if past is None:
        return keys, values
    rows = range(len(keys)) if beams is None else beams.tolist()
    return tuple(
        torch.stack([torch.cat([old[beam], new[row]], dim=1) for row, beam in enumerate(rows)])
        for old, new in zip(past, (keys, values))
    )
