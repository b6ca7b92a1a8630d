# piece: weights.map_name
# mistake: all biases dropped
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    if name.endswith("bias"):
        return None
    return name
