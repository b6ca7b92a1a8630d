# piece: weights.map_name
# mistake: unknown names are an error here
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith(".attn.bias") or name.endswith(".attn.masked_bias"):
        return None
    if name.split(".")[0] not in ("wte", "wpe", "h", "ln_f"):
        raise ValueError(f"unknown name {stored}")
    return name
