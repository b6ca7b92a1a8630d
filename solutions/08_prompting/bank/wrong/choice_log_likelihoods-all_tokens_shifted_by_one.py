# piece: prompting.choice_log_likelihoods
# mistake: all tokens shifted by one
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    log_probs = logits.log_softmax(-1)
    scores = []
    for i, n in enumerate(choice_lengths):
        places = torch.arange(prompt_length - 1, prompt_length - 1 + n).clamp(min=1)
        tokens = input_ids[i, places]
        terms = log_probs[i, places - 1, tokens]
        scores.append(terms.sum())
    return torch.stack(scores)
