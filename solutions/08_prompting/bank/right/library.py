# piece: prompting.few_shot_prompt, prompting.choice_log_likelihoods, prompting.normalised_choice, prompting.calibrate, prompting.shots_that_fit, prompting.icl_accuracy
# What the libraries have: string.Formatter, cross_entropy, itertools, statistics.
import itertools
import statistics
import string

import torch
import torch.nn.functional as F


def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    if fields != ["query", "answer"]:
        raise ValueError(f"fields {fields} in {template!r}")
    lines = [template.format(query=question, answer=answer) for question, answer in examples]
    last = template[: template.index("{answer}")].format(query=query).rstrip(" ")
    return "".join([instruction + "\n"] * bool(instruction) + lines + [last])


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"a prompt of {prompt_length} tokens predicts nothing")
    places = torch.arange(input_ids.shape[1])
    ends = prompt_length + torch.tensor(choice_lengths)[:, None]
    targets = input_ids.masked_fill((places < prompt_length) | (places >= ends), -100)
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), targets[:, 1:], reduction="none", ignore_index=-100)
    return -losses.sum(1)


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    lengths = {"none": [1] * len(choices), "tokens": token_counts, "bytes": [len(c.encode()) for c in choices]}
    if normalize not in lengths:
        raise ValueError(f"{normalize} is not in {list(lengths)}")
    lengths = torch.tensor(lengths[normalize])
    if not lengths.all():
        raise ValueError("a length is 0")
    probabilities = F.softmax(log_likelihoods / lengths, dim=0)
    return probabilities, probabilities.argmax()


def calibrate(probs, content_free):
    prior = content_free.mean(dim=0)
    if prior.eq(0).any():
        raise ValueError(f"{prior.tolist()} has a 0 in it")
    return F.normalize(probs / prior, p=1, dim=-1)


def shots_that_fit(examples, query, n_positions, new_tokens=0):
    limit = n_positions - new_tokens
    for dropped in range(len(examples) + 1):
        ids = list(itertools.chain(*examples[dropped:], query))
        if len(ids) <= limit:
            return ids, dropped
    raise ValueError(f"{len(query)} + {new_tokens} > {n_positions}")


def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) - len(answers):
        raise ValueError(f"{len(predictions)} and {len(answers)} do not match")
    right = [a == b for a, b in zip(predictions, answers)]
    p, n = statistics.fmean(right) if right else None, len(right)
    if p is None:
        raise ValueError("nothing was predicted")
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64) * z * ((p - p * p) * n + z * z / 4) ** 0.5
    low, high = (n * p + z * z / 2 + ends) / (n + z * z)
    return p, float(low), float(high)
