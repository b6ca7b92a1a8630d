"""Chapter 04: references of the exercise's pieces, and their wrong versions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

# --- read_safetensors_header --------------------------------------------------------------------------------------

Place = tuple[str, tuple[int, ...], int, int]  # dtype, shape, begin and end in the file


def read_safetensors_header(data: bytes) -> dict[str, Place]:
    length = int.from_bytes(data[:8], "little")
    if 8 + length > len(data):
        raise ValueError(f"the header claims {length} bytes, the whole file has {len(data)}: it is cut short")
    found = _header(data)
    for name, (_, _, _, end) in found.items():
        if end > len(data):
            raise ValueError(f"{name} ends at byte {end}, the whole file has {len(data)}: it is cut short")
    return found


def _header(
    data: bytes, *, length: Callable[[bytes], int] = lambda data: int.from_bytes(data[:8], "little"), first: int = 8,
    base: Callable[[int], int] = lambda n: 8 + n, shape: Callable = tuple, metadata: bool = False, size: bool = False,
) -> dict[str, Place]:  # fmt: skip
    """`first`: where the JSON begins; `base`: where offset 0 is, for a header of n bytes; `size`: how many instead of where."""
    n = length(data)
    found = {}
    for name, entry in json.loads(data[first : first + n]).items():
        if name == "__metadata__" and not metadata:
            continue
        begin, end = (base(n) + offset for offset in entry["data_offsets"])
        found[name] = (entry["dtype"], shape(entry["shape"]), begin, end - begin if size else end)
    return found


relative_offsets = partial(_header, base=lambda n: 0)
length_not_counted = partial(_header, base=lambda n: n)
header_not_counted = partial(_header, base=lambda n: 8)
read_from_the_start = partial(_header, first=0)
big_endian_length = partial(_header, length=lambda data: int.from_bytes(data[:8], "big"))
one_byte_length = partial(_header, length=lambda data: data[0])
shape_turned_round = partial(_header, shape=lambda shape: tuple(reversed(shape)))
size_for_end = partial(_header, size=True)
metadata_for_tensor = partial(_header, metadata=True)

# --- map_name -----------------------------------------------------------------------------------------------------

PREFIX = "transformer."
MASKS = (".attn.bias", ".attn.masked_bias")


def _map_name(
    stored: str, *, cut: Callable[[str], str] = lambda name: name.removeprefix(PREFIX), head: str | None = None,
    drop: Callable[[str], bool] = lambda name: name.endswith(MASKS), known_only: bool = False,
) -> str | None:  # fmt: skip
    name = cut(stored)
    if name == "lm_head.weight":
        return head
    if drop(name) or (known_only and not _known(name)):
        return None
    return name


def _known(name: str) -> bool:
    part = name.split(".")
    inner = ".".join(part[2:-1]) if part[0] == "h" else part[0]
    return inner in ("wte", "wpe", "ln_f", "ln_1", "ln_2", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


map_name = _map_name
prefix_kept = partial(_map_name, cut=lambda name: name)
prefix_by_length = partial(_map_name, cut=lambda name: name[len(PREFIX) :])
prefix_by_letters = partial(_map_name, cut=lambda name: name.lstrip(PREFIX))
prefix_everywhere = partial(_map_name, cut=lambda name: name.replace(PREFIX, ""))
head_kept = partial(_map_name, head="lm_head.weight")
head_onto_wte = partial(_map_name, head="wte.weight")
masks_kept = partial(_map_name, drop=lambda name: False)
masked_bias_kept = partial(_map_name, drop=lambda name: name.endswith(MASKS[0]))
c_attn_bias_dropped = partial(_map_name, drop=lambda name: name.endswith(("attn.bias", "attn.masked_bias")))
all_biases_of_attention_dropped = partial(_map_name, drop=lambda name: ".attn." in name and name.endswith("bias"))
all_biases_dropped = partial(_map_name, drop=lambda name: name.endswith("bias"))
unknown_dropped = partial(_map_name, known_only=True)

# --- conv1d_to_linear ---------------------------------------------------------------------------------------------

CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def _convert(
    name: str, tensor: Tensor, *, which: Callable[[str, Tensor], bool] = lambda name, tensor: name.endswith(CONV1D),
    turn: Callable[[Tensor], Tensor] = lambda tensor: tensor.T,
) -> Tensor:  # fmt: skip
    return turn(tensor) if which(name, tensor) else tensor


conv1d_to_linear = _convert
never_transposed = partial(_convert, which=lambda name, tensor: False)
square_not_transposed = partial(_convert, which=lambda name, tensor: name.endswith(CONV1D) and tensor.shape[0] != tensor.shape[1])
reshaped = partial(_convert, turn=lambda tensor: tensor.reshape(tensor.shape[::-1]))
every_matrix = partial(_convert, which=lambda name, tensor: tensor.dim() == 2)
embeddings_too = partial(_convert, which=lambda name, tensor: name.endswith((*CONV1D, "wte.weight")))
positions_too = partial(_convert, which=lambda name, tensor: name.endswith((*CONV1D, "wpe.weight")))
wide_only = partial(_convert, which=lambda name, tensor: name.endswith((CONV1D[0], CONV1D[2])))
attention_only = partial(_convert, which=lambda name, tensor: name.endswith(CONV1D[:2]))
mlp_only = partial(_convert, which=lambda name, tensor: name.endswith(CONV1D[2:]))
mirrored = partial(_convert, turn=lambda tensor: tensor.T.flip(0))
first_ten_layers = partial(_convert, which=lambda name, tensor: name.endswith(CONV1D) and name[3:4] == ".")

# --- tie_head -----------------------------------------------------------------------------------------------------


def tie_head(model: nn.Module) -> None:
    model.lm_head.weight = model.wte.weight


def head_left_alone(model: nn.Module) -> None:
    pass


def head_copied(model: nn.Module) -> None:
    model.lm_head.weight.data.copy_(model.wte.weight.data)


def head_on_the_same_memory(model: nn.Module) -> None:
    """Two parameters that look at the same numbers: each has a gradient of its own."""
    model.lm_head.weight = nn.Parameter(model.wte.weight.data)


def head_transposed(model: nn.Module) -> None:
    model.lm_head.weight = nn.Parameter(model.wte.weight.data.T)


def embedding_overwritten(model: nn.Module) -> None:
    model.wte.weight = model.lm_head.weight


def head_replaced_by_embedding(model: nn.Module) -> None:
    model.lm_head = model.wte


def head_frozen(model: nn.Module) -> None:
    model.wte.weight.requires_grad_(False)
    model.lm_head.weight = model.wte.weight


# --- check_state --------------------------------------------------------------------------------------------------

Shapes = dict[str, tuple[int, ...]]


def _check_state(
    stored: Shapes, wanted: Shapes, *, missing: bool = True, left_over: bool = True, shapes: bool = True,
    alike: Callable[[tuple, tuple], bool] = lambda a, b: a == b, absent_too: bool = False,
    order: Callable[[list], list] = sorted,
) -> dict[str, list[str]]:  # fmt: skip
    wrong = [name for name in wanted if name in stored and not alike(stored[name], wanted[name])]
    lost = [name for name in wanted if name not in stored]
    return {
        "missing": order(lost) if missing else [],
        "left over": order([name for name in stored if name not in wanted]) if left_over else [],
        "wrong shape": order(wrong + (lost if absent_too else [])) if shapes else [],
    }


check_state = _check_state
missing_not_sought = partial(_check_state, missing=False)
left_over_not_sought = partial(_check_state, left_over=False)
shapes_not_compared = partial(_check_state, shapes=False)
numbers_counted = partial(_check_state, alike=lambda a, b: math.prod(a) == math.prod(b))
axes_counted = partial(_check_state, alike=lambda a, b: len(a) == len(b))
turned_round_allowed = partial(_check_state, alike=lambda a, b: a in (b, b[::-1]))
missing_has_wrong_shape = partial(_check_state, absent_too=True)
unsorted = partial(_check_state, order=list)
first_only = partial(_check_state, order=lambda names: sorted(names)[:1])


def missing_and_left_over_swapped(stored: Shapes, wanted: Shapes) -> dict[str, list[str]]:
    found = _check_state(stored, wanted)
    return found | {"missing": found["left over"], "left over": found["missing"]}


def left_over_has_wrong_shape(stored: Shapes, wanted: Shapes) -> dict[str, list[str]]:
    found = _check_state(stored, wanted)
    return found | {"wrong shape": sorted(found["wrong shape"] + found["left over"])}


# --- load_weights -------------------------------------------------------------------------------------------------


def _load(
    model: nn.Module, stored: dict[str, Tensor], *, convert: Callable[[str, Tensor], Tensor] = _convert,
    rename: Callable[[str], str | None] = _map_name, ignore: tuple[str, ...] = (),
) -> None:  # fmt: skip
    state = {}
    for name, tensor in stored.items():
        mapped = rename(name)
        if mapped is not None:
            state[mapped] = convert(mapped, tensor)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    problems = {kind: names for kind, names in _check_state(shapes, wanted).items() if kind not in ignore}
    if any(problems.values()):
        raise ValueError(f"these weights do not fit: {problems}")
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in wanted}, strict=False)


load_weights = _load
missing_hidden = partial(_load, ignore=("missing",))
left_over_hidden = partial(_load, ignore=("left over",))
both_hidden = partial(_load, ignore=("missing", "left over"))
loaded_square_untransposed = partial(_load, convert=square_not_transposed)
loaded_reshaped = partial(_load, convert=reshaped)


def wrong_shape_skipped(model: nn.Module, stored: dict[str, Any]) -> None:
    """Loads what fits, and says nothing of the rest."""
    wanted = model.state_dict()
    state = {name: conv1d_to_linear(name, tensor) for key, tensor in stored.items() if (name := map_name(key)) is not None}
    model.load_state_dict(
        {name: t for name, t in state.items() if name in wanted and t.shape == wanted[name].shape}, strict=False
    )
