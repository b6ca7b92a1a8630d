# piece: finetuning.shift_targets
# mistake: the first token comes round again
import torch


def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    targets = torch.roll(input_ids, -1, dims=-1)
    if attention_mask is not None:
        targets[(torch.roll(attention_mask, -1, dims=-1) == 0) | (attention_mask == 0)] = ignore_index
    return input_ids, targets
