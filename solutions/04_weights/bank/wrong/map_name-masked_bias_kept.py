# piece: weights.map_name
# mistake: masked_bias kept
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias"):
        return None
    return name
