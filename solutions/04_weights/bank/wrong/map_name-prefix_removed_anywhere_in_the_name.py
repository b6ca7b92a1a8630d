# piece: weights.map_name
# mistake: prefix removed anywhere in the name
def map_name(stored):
    name = stored.replace("transformer.", "")
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
