# piece: weights.map_name
# mistake: lstrip takes letters, not a prefix
def map_name(stored):
    name = stored.lstrip("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
