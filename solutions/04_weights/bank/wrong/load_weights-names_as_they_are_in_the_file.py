# piece: weights.load_weights
# mistake: names as they are in the file
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    model.load_state_dict({name: conv1d_to_linear(name, t) for name, t in stored.items()})
