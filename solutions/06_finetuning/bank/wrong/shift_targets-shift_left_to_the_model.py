# piece: finetuning.shift_targets
# mistake: shift left to the model
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    labels = input_ids.clone()
    if attention_mask is not None:
        labels[attention_mask == 0] = ignore_index
    return input_ids, labels
