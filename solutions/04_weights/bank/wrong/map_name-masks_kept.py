# piece: weights.map_name
# mistake: masks kept
def map_name(stored):
    name = stored.removeprefix("transformer.")
    if name == "lm_head.weight":
        return None
    return name
