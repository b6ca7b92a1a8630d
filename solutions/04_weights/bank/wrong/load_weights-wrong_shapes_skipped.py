# piece: weights.load_weights
# mistake: wrong shapes skipped
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    own = model.state_dict()
    for key, tensor in stored.items():
        name = map_name(key)
        if name in own and conv1d_to_linear(name, tensor).shape == own[name].shape:
            own[name].copy_(conv1d_to_linear(name, tensor))
