# piece: finetuning.shift_targets
# mistake: inputs not cut
import torch


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    targets = torch.full_like(input_ids, ignore_index)
    targets[:, :-1] = input_ids[:, 1:]
    if attention_mask is not None:
        real = attention_mask.bool()
        targets[:, :-1][~(real[:, 1:] & real[:, :-1])] = ignore_index
    return input_ids, targets
