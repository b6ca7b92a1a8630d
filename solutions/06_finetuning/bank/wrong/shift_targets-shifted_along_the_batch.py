# piece: finetuning.shift_targets
# mistake: shifted along the batch
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    inputs, targets = input_ids[:-1], input_ids[1:]
    if attention_mask is not None:
        targets = targets.masked_fill(attention_mask[1:] == 0, ignore_index)
    return inputs, targets
