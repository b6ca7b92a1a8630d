# piece: weights.read_safetensors_header, weights.map_name, weights.conv1d_to_linear, weights.tie_head, weights.check_state, weights.load_weights
# Byte by byte, word by word, number by number.
import torch


def read_safetensors_header(data):
    import json

    length = 0
    for place in range(8):
        length += data[place] * 256**place
    start = 8 + length
    if start > len(data):
        raise ValueError("header of %d bytes in a file of %d" % (length, len(data)))
    entries = json.loads(data[8:start].decode("utf-8"))
    found = {}
    for name in entries:
        if name == "__metadata__":
            continue
        entry = entries[name]
        begin = start + entry["data_offsets"][0]
        end = start + entry["data_offsets"][1]
        if end > len(data):
            raise ValueError("tensor %s needs %d bytes, there are %d" % (name, end, len(data)))
        found[name] = [entry["dtype"], entry["shape"], begin, end]
    return found


def map_name(stored):
    words = stored.split(".")
    if words[0] == "transformer":
        words = words[1:]
    if words == ["lm_head", "weight"]:
        return None
    if len(words) >= 2 and words[-2] == "attn" and words[-1] in ("bias", "masked_bias"):
        return None
    return ".".join(words)


def conv1d_to_linear(name, tensor):
    words = name.split(".")
    if words[-1] != "weight" or words[-2] not in ("c_attn", "c_proj", "c_fc"):
        return tensor
    rows, columns = tensor.shape
    turned = torch.empty(columns, rows)
    for i in range(rows):
        for j in range(columns):
            turned[j, i] = tensor[i, j]
    return turned


def tie_head(model):
    model.lm_head.register_parameter("weight", model.wte.weight)


def check_state(stored, wanted):
    missing, left_over, wrong = [], [], []
    for name in sorted(wanted):
        if name not in stored:
            missing.append(name)
        elif list(stored[name]) != list(wanted[name]):
            wrong.append(name)
    for name in sorted(stored):
        if name not in wanted:
            left_over.append(name)
    return {"missing": missing, "left over": left_over, "wrong shape": wrong}


def load_weights(model, stored):
    own = dict(model.named_parameters())
    ready = {}
    for name in stored:
        mine = map_name(name)
        if mine is None:
            continue
        if mine not in own:
            raise ValueError(f"no place for {name}")
        tensor = conv1d_to_linear(mine, stored[name])
        if tensor.shape != own[mine].shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, not {tuple(own[mine].shape)}")
        ready[mine] = tensor
    for name in own:
        if name not in ready:
            raise ValueError(f"{name} is missing")
    with torch.no_grad():
        for name in own:
            own[name].copy_(ready[name])
