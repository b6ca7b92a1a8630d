# piece: weights.read_safetensors_header
# mistake: length read as big-endian
import json
import struct


def read_safetensors_header(data):
    (length,) = struct.unpack(">Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if 8 + length + entry["data_offsets"][1] > len(data):
            raise ValueError(f"{name} ends behind the file of {len(data)}, header {length}")
    return {
        name: (e["dtype"], tuple(e["shape"]), 8 + length + e["data_offsets"][0], 8 + length + e["data_offsets"][1])
        for name, e in header.items()
    }
