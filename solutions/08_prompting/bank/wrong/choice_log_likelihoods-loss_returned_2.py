# piece: prompting.choice_log_likelihoods
# mistake: loss returned
import torch


def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), input_ids[:, 1:], reduction="none")
    return torch.stack([row[prompt_length - 1 : prompt_length - 1 + n].sum() for row, n in zip(losses, choice_lengths)])
