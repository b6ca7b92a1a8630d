# piece: weights.read_safetensors_header
# mistake: JSON read from byte 0
import json


def read_safetensors_header(data):
    length = int.from_bytes(data[:8], "little")
    if 8 + length > len(data):
        raise ValueError(f"the header has {length} bytes, the file {len(data)}")
    start = 8 + length
    found = {}
    for name, entry in json.loads(data[:length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        if start + end > len(data):
            raise ValueError(f"{name} ends behind the file")
        found[name] = (entry["dtype"], tuple(entry["shape"]), start + begin, start + end)
    return found
