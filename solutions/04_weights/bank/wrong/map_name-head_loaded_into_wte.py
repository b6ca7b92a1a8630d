# piece: weights.map_name
# mistake: head loaded into wte
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return "wte.weight"
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    return name
