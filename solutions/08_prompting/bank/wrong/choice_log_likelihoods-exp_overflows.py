# piece: prompting.choice_log_likelihoods
# mistake: exp overflows
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    log_probs = logits - torch.log(torch.exp(logits).sum(-1, keepdim=True))
    scores = []
    for i, n in enumerate(choice_lengths):
        places = torch.arange(prompt_length, prompt_length + n)
        tokens = input_ids[i, places]
        terms = log_probs[i, places - 1, tokens]
        scores.append(terms.sum())
    return torch.stack(scores)
