# piece: prompting.few_shot_prompt, prompting.choice_log_likelihoods, prompting.normalised_choice, prompting.calibrate, prompting.shots_that_fit, prompting.icl_accuracy
# Masks, logarithms, and Wilson's interval as the roots of its equation.
import re

import numpy as np
import torch


def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    match = re.fullmatch(r"(.*?)\{query\}(.*?)\{answer\}(.*)", template, re.DOTALL)
    if match is None:
        raise ValueError(f"{template!r} is no template")
    before, between, after = match.groups()
    solved = [before + q + between + a + after for q, a in examples]
    return (f"{instruction}\n" if instruction else "") + "".join(solved) + re.sub(" +$", "", before + query + between)


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if not prompt_length:
        raise ValueError(f"{prompt_length=}")
    chosen = logits[:, :-1].gather(2, input_ids[:, 1:, None]).squeeze(2)
    log_probs = chosen - logits[:, :-1].logsumexp(2)
    after = torch.arange(1, input_ids.shape[1])[None] - prompt_length
    inside = (after >= 0) & (after < torch.tensor(choice_lengths)[:, None])
    return log_probs.where(inside, 0).sum(1)


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    if normalize == "none":
        lengths = torch.ones(len(choices))
    elif normalize == "tokens":
        lengths = torch.tensor(token_counts)
    elif normalize == "bytes":
        lengths = torch.tensor([len(choice.encode("utf-8")) for choice in choices])
    else:
        raise ValueError(f"normalize={normalize}")
    if (lengths == 0).any():
        raise ValueError("there is an empty choice")
    scores = log_likelihoods / lengths
    return (scores - scores.logsumexp(0)).exp(), int(scores.numpy().argmax())


def calibrate(probs, content_free):
    prior = content_free.sum(0)
    if prior.min() == 0:
        raise ValueError("content-free probability 0")
    return (probs.log() - prior.log()).softmax(-1)


def shots_that_fit(examples, query, n_positions, new_tokens=0):
    room = n_positions - new_tokens - len(query)
    if room < 0:
        raise ValueError(f"n_positions={n_positions}, query={len(query)}, new_tokens={new_tokens}")
    from_the_back = np.cumsum([len(example) for example in reversed(examples)])
    kept = int((from_the_back <= room).sum())
    dropped = len(examples) - kept
    return sum(examples[dropped:], []) + query, dropped


def icl_accuracy(predictions, answers, z=1.96):
    n, m = len(predictions), len(answers)
    if n != m or not n:
        raise ValueError(f"{n} predictions, {m} answers")
    p = float(np.mean(np.array(predictions) == np.array(answers)))
    low, high = sorted(np.roots([1 + z**2 / n, -2 * p - z**2 / n, p**2]).real)
    return p, low, high
