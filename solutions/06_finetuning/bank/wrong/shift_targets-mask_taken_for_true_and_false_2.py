# piece: finetuning.shift_targets
# mistake: mask taken for True and False
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    if input_ids.size(1) < 2:
        raise ValueError(f"only {input_ids.size(1)} token in a text")
    targets = input_ids[:, 1:]
    if attention_mask is not None:
        targets = targets.masked_fill(1 - attention_mask[:, 1:] * attention_mask[:, :-1], ignore_index)
    return input_ids[:, :-1], targets
