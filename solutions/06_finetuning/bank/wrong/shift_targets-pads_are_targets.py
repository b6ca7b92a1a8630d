# piece: finetuning.shift_targets
# mistake: pads are targets
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    inputs = input_ids[:, :-1]
    targets = input_ids[:, 1:].clone()
    return inputs, targets
