# piece: weights.load_weights
# mistake: half loaded before the error
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return None if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) else name


def conv1d_to_linear(name, tensor):
    return tensor.T if name.endswith(CONV1D) else tensor


def load_weights(model, stored):
    state = {map_name(k): t for k, t in stored.items()}
    state.pop(None, None)
    state = {name: conv1d_to_linear(name, t) for name, t in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
