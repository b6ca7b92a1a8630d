# piece: weights.load_weights
# mistake: missing keys hidden by strict=False
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    state = {}
    for key, tensor in stored.items():
        name = map_name(key)
        if name is not None:
            state[name] = conv1d_to_linear(name, tensor)
    own = model.state_dict()
    for name, tensor in state.items():
        if name not in own:
            raise ValueError(f"left over: {name}")
        if tensor.shape != own[name].shape:
            raise ValueError(f"wrong shape: {name}")
    model.load_state_dict(state, strict=False)
