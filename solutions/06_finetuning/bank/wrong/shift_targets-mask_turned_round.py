# piece: finetuning.shift_targets
# mistake: mask turned round
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    inputs = input_ids[:, :-1]
    targets = input_ids[:, 1:].clone()
    if attention_mask is not None:
        real = attention_mask.bool()
        targets[real[:, 1:] | real[:, :-1]] = ignore_index
    return inputs, targets
