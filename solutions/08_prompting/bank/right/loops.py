# piece: prompting.few_shot_prompt, prompting.choice_log_likelihoods, prompting.normalised_choice, prompting.calibrate, prompting.shots_that_fit, prompting.icl_accuracy
# One example, one token, one choice at a time, in plain Python.
import math

import torch


def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    q, a = template.find("{query}"), template.find("{answer}")
    if q < 0 or a < q:
        raise ValueError("this template does not work: " + template)
    text = ""
    if instruction != "":
        text += instruction
        text += "\n"
    for example in examples:
        text += template[:q]
        text += example[0]
        text += template[q + len("{query}") : a]
        text += example[1]
        text += template[a + len("{answer}") :]
    text += template[:q] + query + template[q + len("{query}") : a]
    while text.endswith(" "):
        text = text[:-1]
    return text


def softmax(row):
    exps = [math.exp(x - max(row)) for x in row]
    return [e / sum(exps) for e in exps]


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length == 0:
        raise ValueError("prompt_length is 0")
    found = []
    for i in range(len(input_ids)):
        total = 0.0
        for j in range(choice_lengths[i]):
            row = logits[i][prompt_length - 1 + j].tolist()
            token = int(input_ids[i][prompt_length + j])
            biggest = max(row)
            total += row[token] - biggest - math.log(sum(math.exp(x - biggest) for x in row))
        found.append(total)
    return torch.tensor(found)


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    scores = log_likelihoods.tolist()
    for i, (text, count) in enumerate(zip(choices, token_counts)):
        if normalize == "tokens":
            length = count
        elif normalize == "bytes":
            length = len(bytes(text, "utf-8"))
        elif normalize == "none":
            length = 1
        else:
            raise ValueError("cannot normalise by " + normalize)
        if length == 0:
            raise ValueError("choice %d is empty" % i)
        scores[i] /= length
    return torch.tensor(softmax(scores)), scores.index(max(scores))


def calibrate(probs, content_free):
    out = []
    free = content_free.tolist()
    prior = [sum(row[i] for row in free) / len(free) for i in range(len(free[0]))]
    for p in prior:
        if p == 0:
            raise ValueError("one of the choices has probability 0 when nothing is asked")
    for row in probs.tolist():
        ratios = [a / b for a, b in zip(row, prior)]
        out.append([r / sum(ratios) for r in ratios])
    return torch.tensor(out)


def shots_that_fit(examples, query, n_positions, new_tokens=0):
    room = n_positions - new_tokens - len(query)
    if room < 0:
        raise ValueError(f"{len(query)} tokens and {new_tokens} more, and only {n_positions} places")
    dropped = 0
    while sum(len(example) for example in examples[dropped:]) > room:
        dropped += 1
    ids = []
    for example in examples[dropped:]:
        ids.extend(example)
    return ids + query, dropped


def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) == 0 or len(predictions) != len(answers):
        raise ValueError("got %d predictions and %d answers" % (len(predictions), len(answers)))
    right, n = 0, 0
    for prediction, answer in zip(predictions, answers):
        n += 1
        if prediction == answer:
            right += 1
    p = right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return p, centre - half, centre + half
