# piece: weights.map_name
# mistake: all biases of attention dropped
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if ".attn." in name and name.endswith("bias"):
        return None
    return name
