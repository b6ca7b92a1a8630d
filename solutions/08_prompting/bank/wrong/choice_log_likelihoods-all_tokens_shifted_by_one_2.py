# piece: prompting.choice_log_likelihoods
# mistake: all tokens shifted by one
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    log_probs = logits[:, :-1].log_softmax(-1)
    terms = log_probs.gather(-1, input_ids[:, 1:, None])[..., 0]
    starts = max(prompt_length - 2, 0)
    return torch.stack([row[starts : prompt_length - 2 + n].sum() for row, n in zip(terms, choice_lengths)])
