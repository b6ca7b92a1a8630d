# piece: prompting.choice_log_likelihoods
# mistake: prompt tokens counted
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    log_probs = logits.log_softmax(-1)
    scores = []
    for i, n in enumerate(choice_lengths):
        places = torch.arange(1, prompt_length + n)
        tokens = input_ids[i, places]
        terms = log_probs[i, places - 1, tokens]
        scores.append(terms.sum())
    return torch.stack(scores)
