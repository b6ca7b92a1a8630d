# piece: prompting.few_shot_prompt, prompting.choice_log_likelihoods, prompting.normalised_choice, prompting.calibrate, prompting.shots_that_fit, prompting.icl_accuracy
# numpy in float64, lists where a list will do, recursion for what fits.
import numpy as np


def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    pieces = template.split("{query}", 1)
    if len(pieces) < 2 or "{answer}" not in pieces[1]:
        raise ValueError("I cannot use the template %r" % template)
    pieces = [pieces[0], *pieces[1].split("{answer}", 1)]
    out = [instruction, "\n"] if instruction else []
    for a, b in examples:
        out += [pieces[0], a, pieces[1], b, pieces[2]]
    last = pieces[0] + query + pieces[1]
    return "".join([*out, last.rstrip(" ")])


def log_softmax(x):
    x = np.asarray(x, dtype=np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length <= 0:
        raise ValueError("a prompt of length %d" % prompt_length)
    ids, logs = input_ids.numpy(), log_softmax(logits.numpy())
    every = np.take_along_axis(logs[:, :-1], ids[:, 1:, None], axis=2)[:, :, 0]
    summed = np.concatenate([np.zeros((len(ids), 1)), every.cumsum(1)], axis=1)
    begin = prompt_length - 1
    return [float(row[begin + n] - row[begin]) for row, n in zip(summed, choice_lengths)]


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    match normalize:
        case "none":
            lengths = np.ones(len(choices))
        case "tokens":
            lengths = np.array(token_counts)
        case "bytes":
            lengths = np.array([sum(1 for _ in text.encode("utf-8")) for text in choices])
        case other:
            raise ValueError("normalize must not be " + other)
    if lengths.min() < 1:
        raise ValueError("nothing to divide by")
    scores = log_likelihoods.numpy() / lengths
    return np.exp(log_softmax(scores)), np.argmax(scores)


def calibrate(probs, content_free):
    prior = np.average(content_free.numpy(), axis=0)
    if not prior.all():
        raise ValueError("the prior is 0 somewhere: %s" % prior)
    weighted = probs.numpy() @ np.diag(1 / prior)
    return weighted / np.linalg.norm(weighted, ord=1, axis=-1)[:, None]


def shots_that_fit(examples, query, n_positions, new_tokens=0):
    if len(query) > n_positions - new_tokens:
        raise ValueError(f"the query has {len(query)} tokens: too many for {n_positions}")
    ids = np.concatenate([np.array(part, dtype=int) for part in [*examples, query]])
    if len(ids) + new_tokens <= n_positions:
        return ids, 0
    found, dropped = shots_that_fit(examples[1:], query, n_positions, new_tokens)
    return found, dropped + 1


def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} != {len(answers)}")
    if len(answers) == 0:
        raise ValueError("no answers")
    right, n = np.equal(predictions, answers).sum(), len(answers)
    centre = (right + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(right * (n - right) / n + z**2 / 4)
    return [right / n, centre - half, centre + half]
