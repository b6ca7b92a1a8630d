# piece: weights.map_name
# mistake: prefix cut off by its length
def map_name(stored):
    name = stored[12:]
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
