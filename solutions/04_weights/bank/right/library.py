# piece: weights.read_safetensors_header, weights.map_name, weights.conv1d_to_linear, weights.tie_head, weights.check_state, weights.load_weights
# struct, regular expressions, sets, and PyTorch's own list of what did not fit.
import json
import re
import struct

import torch
from torch import nn

CONV1D = re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")
MASK = re.compile(r"h\.\d+\.attn\.(masked_)?bias")


def read_safetensors_header(data):
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise ValueError(f"header: {length} bytes; file: {len(data)} bytes")
    header = json.loads(memoryview(data)[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    found = {
        name: (entry["dtype"], tuple(entry["shape"]), *(8 + length + offset for offset in entry["data_offsets"]))
        for name, entry in header.items()
    }
    if short := [name for name, place in found.items() if place[3] > len(data)]:
        raise ValueError(f"the file ends inside {', '.join(short)}")
    return found


def map_name(stored):
    name = re.sub(r"^transformer\.", "", stored)
    return None if name == "lm_head.weight" or MASK.fullmatch(name) else name


def conv1d_to_linear(name, tensor):
    return torch.transpose(tensor, 0, 1).contiguous() if CONV1D.fullmatch(name) else tensor


def tie_head(model):
    V, C = model.wte.weight.shape
    model.lm_head = nn.Linear(C, V, bias=False, device="meta")
    model.lm_head.weight = model.wte.weight


def check_state(stored, wanted):
    common = stored.keys() & wanted.keys()
    return {
        "missing": sorted(wanted.keys() - common),
        "left over": sorted(stored.keys() - common),
        "wrong shape": sorted(name for name in common if torch.Size(stored[name]) != torch.Size(wanted[name])),
    }


def load_weights(model, stored):
    state = {map_name(name): tensor for name, tensor in stored.items()}
    state.pop(None, None)
    state = {name: conv1d_to_linear(name, tensor) for name, tensor in state.items()}
    shapes = {name: tensor.shape for name, tensor in state.items()}
    found = check_state(shapes, {name: tensor.shape for name, tensor in model.state_dict().items()})
    for kind, names in found.items():
        if names:
            raise ValueError(f"{kind}: {', '.join(names)}")
    model.load_state_dict(state, assign=True)
