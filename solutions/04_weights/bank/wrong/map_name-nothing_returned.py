# piece: weights.map_name
# mistake: nothing returned
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    name.strip()
