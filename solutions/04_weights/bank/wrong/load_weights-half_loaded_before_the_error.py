# piece: weights.load_weights
# mistake: half loaded before the error
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    own, seen = model.state_dict(), set()
    for key, tensor in stored.items():
        name = map_name(key)
        if name is None:
            continue
        tensor = conv1d_to_linear(name, tensor)
        if name not in own or tensor.shape != own[name].shape:
            raise ValueError(f"{name} does not fit")
        own[name].copy_(tensor)
        seen.add(name)
    for name in own:
        if name not in seen:
            raise ValueError(f"{name} is missing")
