# piece: finetuning.shift_targets
# mistake: shifted twice, and filled up
import torch


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    B, T = input_ids.shape
    if T < 2:
        raise ValueError(f"only {T} token in a text")
    targets = torch.full((B, T - 1), ignore_index)
    for i in range(B):
        for t in range(T - 2):
            known = attention_mask is None or (attention_mask[i, t + 1] and attention_mask[i, t + 2])
            if known:
                targets[i, t] = input_ids[i, t + 2]
    return input_ids[:, :-1], targets
