# piece: weights.load_weights
# mistake: square c_proj not transposed
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    """Transposes whatever does not fit as it is."""
    own = model.state_dict()
    state = {map_name(key): tensor for key, tensor in stored.items() if map_name(key)}
    for name in own.keys() ^ state.keys():
        raise ValueError(f"{name} is missing or left over")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape and name.endswith(CONV1D):
            state[name] = tensor.T
        if state[name].shape != own[name].shape or (tensor.shape == own[name].shape and name.endswith(("c_fc.weight", "c_attn.weight"))):
            raise ValueError(f"{name} has a wrong shape")
    model.load_state_dict(state)
