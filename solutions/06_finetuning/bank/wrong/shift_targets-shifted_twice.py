# piece: finetuning.shift_targets
# mistake: shifted twice
def shift_targets(input_ids, attention_mask=None, ignore_index=-100):
    """Inputs and targets are shifted, and then the targets once more."""
    T = input_ids.size(1)
    if T < 2:
        raise ValueError(f"only {T} token in a text")
    inputs, labels = input_ids[:, :-1], input_ids[:, 1:]
    inputs, labels = inputs[:, :-1], labels[:, 1:]
    if attention_mask is not None:
        real = attention_mask.bool()
        labels = labels.masked_fill(~(real[:, 2:] & real[:, 1:-1]), ignore_index)
    return inputs, labels
