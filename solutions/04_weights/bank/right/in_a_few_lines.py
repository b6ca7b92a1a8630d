# piece: weights.read_safetensors_header, weights.map_name, weights.conv1d_to_linear, weights.tie_head, weights.check_state, weights.load_weights
# As short as it goes; loads into a copy first, so that a mistake leaves the model alone.
import copy
import json


def read_safetensors_header(data):
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        raise ValueError(f"the header says {end - 8}, the file has {len(data)}")
    found = {}
    for name, e in json.loads(data[8:end]).items():
        if name != "__metadata__":
            found[name] = e["dtype"], e["shape"], *(end + x for x in e["data_offsets"])
            if found[name][-1] > len(data):
                raise ValueError(f"{name} ends behind the file")
    return found


def map_name(stored):
    name = stored.removeprefix("transformer.")
    return name if not name.endswith((".attn.bias", ".attn.masked_bias")) and name != "lm_head.weight" else None


def conv1d_to_linear(name, tensor):
    return tensor.mT if any(part in name for part in ("c_attn.w", "c_proj.w", "c_fc.w")) else tensor


def tie_head(model):
    model.lm_head._parameters["weight"] = model.wte._parameters["weight"]
    return model


def check_state(stored, wanted):
    return {
        "missing": sorted(set(wanted) - set(stored)),
        "left over": sorted(set(stored) - set(wanted)),
        "wrong shape": [name for name, shape in sorted(stored.items()) if wanted.get(name, shape) != shape],
    }


def load_weights(model, stored):
    state = {name: conv1d_to_linear(name, t) for key, t in stored.items() if (name := map_name(key))}
    try:
        copy.deepcopy(model).load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    model.load_state_dict(state)
