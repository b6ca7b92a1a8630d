# piece: prompting.normalised_choice
# mistake: no softmax
import torch


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    if normalize == "tokens":
        lengths = list(token_counts)
    elif normalize == "bytes":
        lengths = [len(choice.encode("utf-8")) for choice in choices]
    elif normalize == "none":
        lengths = [1] * len(choices)
    else:
        raise ValueError(f"unknown normalize={normalize!r}")
    if 0 in lengths:
        raise ValueError("an empty choice")
    scores = log_likelihoods / torch.tensor(lengths)
    return scores, int(scores.argmax())
