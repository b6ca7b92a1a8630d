# piece: weights.map_name
# mistake: prefix kept
def map_name(stored):
    name = stored
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
