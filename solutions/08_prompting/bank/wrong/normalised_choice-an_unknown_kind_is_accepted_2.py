# piece: prompting.normalised_choice
# mistake: an unknown kind is accepted
import torch


def normalised_choice(log_likelihoods, choices, token_counts, normalize="none"):
    by_bytes = [len(choice.encode("utf-8")) for choice in choices]
    lengths = {"none": [1] * len(choices), "tokens": token_counts, "bytes": by_bytes}[normalize]
    if 0 in lengths:
        raise ValueError("an empty choice")
    scores = log_likelihoods / torch.tensor(lengths)
    return scores.softmax(-1), int(scores.argmax())
