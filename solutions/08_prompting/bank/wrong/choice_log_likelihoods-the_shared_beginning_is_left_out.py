# piece: prompting.choice_log_likelihoods
# mistake: the shared beginning is left out
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    start = prompt_length
    if len(input_ids) > 1:
        while start < prompt_length + min(choice_lengths) - 1 and len(set(input_ids[:, start].tolist())) == 1:
            start += 1
    log_probs = logits.log_softmax(-1)
    scores = []
    for i, n in enumerate(choice_lengths):
        scores.append(sum(log_probs[i, t - 1, input_ids[i, t]] for t in range(start, prompt_length + n)))
    return torch.stack(scores)
