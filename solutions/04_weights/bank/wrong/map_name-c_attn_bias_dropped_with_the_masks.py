# piece: weights.map_name
# mistake: c_attn.bias dropped with the masks
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith("attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
