# piece: weights.map_name
# mistake: head kept
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
