# piece: prompting.choice_log_likelihoods
# mistake: the logarithm of 0
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    log_probs = torch.log(logits.softmax(-1))
    scores = []
    for i, n in enumerate(choice_lengths):
        places = torch.arange(prompt_length, prompt_length + n)
        tokens = input_ids[i, places]
        terms = log_probs[i, places - 1, tokens]
        scores.append(terms.sum())
    return torch.stack(scores)
