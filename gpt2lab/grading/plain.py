"""Plain data: what goes into a learner's function and what comes out, as JSON that two processes can exchange.

Plain means None, bool, int, float, str, bytes, list, tuple, set, dict and numpy arrays. Nothing is ever pickled, so
reading what a learner's process wrote cannot run the learner's code.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

ARRAY_KINDS = "biufc"  # bool, int, unsigned, float, complex: no objects, no text
MAX_ITEMS = 1_000_000  # an endless iterator must not fill the memory
MAX_DEPTH = 30


@dataclass(frozen=True)
class Outcome:
    """What one call gave: a plain value, or the error it raised (class names from the most special upwards)."""

    value: Any = None
    error: tuple[str, ...] = ()
    message: str = ""

    @property
    def ok(self) -> bool:
        return not self.error

    @classmethod
    def of_error(cls, error: BaseException) -> Outcome:
        names = tuple(c.__name__ for c in type(error).__mro__ if c is not object)
        try:
            message = str(error)[:2000]
        except Exception:  # noqa: BLE001  a learner's __str__ may be broken too
            message = "(the error has no readable message)"
        return cls(error=names, message=message)


def to_plain(value: Any, depth: int = 0) -> Any:
    """Turn tensors, numpy scalars, iterators, named tuples and dataclasses into plain data (copies, not views)."""
    if depth > MAX_DEPTH:
        return "<nested too deeply>"
    torch = sys.modules.get("torch")  # never imported here: a tokenizer's check needs no torch
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if torch is not None and isinstance(value, torch.Tensor):
        tensor = value.detach().to("cpu")
        if tensor.dtype in (torch.bfloat16, torch.float16):
            tensor = tensor.float()
        return np.array(tensor.resolve_conj().resolve_neg().numpy())
    if isinstance(value, np.ndarray):
        return np.array(value) if value.dtype.kind in ARRAY_KINDS else to_plain(value.tolist(), depth + 1)
    if isinstance(value, np.generic):
        return to_plain(value.item(), depth + 1)
    for kind in (bool, int, float, str, bytes):
        if isinstance(value, kind):  # a subclass, for example an enum
            return kind(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Mapping):
        return {to_key(k): to_plain(v, depth + 1) for k, v in value.items()}
    if hasattr(value, "_fields") and isinstance(value, tuple):
        return {name: to_plain(getattr(value, name), depth + 1) for name in value._fields}
    if isinstance(value, tuple):
        return tuple(to_plain(v, depth + 1) for v in value)
    if isinstance(value, list):
        return [to_plain(v, depth + 1) for v in value]
    if isinstance(value, AbstractSet):
        return {to_key(v) for v in value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
    if isinstance(value, Iterator | range):
        return [to_plain(v, depth + 1) for v in _at_most(value, MAX_ITEMS)]
    return f"<{type(value).__name__}>"


def to_key(key: Any) -> Any:
    plain = to_plain(key)
    return plain if isinstance(plain, str | int | float | bool | bytes | tuple | None) else repr(plain)


def _at_most(items: Any, limit: int) -> Iterator[Any]:
    for count, item in enumerate(items):
        if count >= limit:
            raise ValueError(f"the result has more than {limit:,} items: return a list of the right length")
        yield item


def encode(value: Any) -> Any:
    """Plain data -> JSON-able; what JSON lacks travels as {"!": kind, ...}."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"!": "array", "dtype": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, bytes):
        return {"!": "bytes", "data": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return {"!": "tuple", "items": [encode(v) for v in value]}
    if isinstance(value, list):
        return [encode(v) for v in value]
    if isinstance(value, set):
        return {"!": "set", "items": [encode(v) for v in sorted(value, key=repr)]}
    if isinstance(value, dict):
        return {"!": "dict", "items": [[encode(k), encode(v)] for k, v in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is not plain data: pass it through to_plain first")


def decode(value: Any) -> Any:
    """The way back; raises ValueError on anything that `encode` does not write."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    try:
        kind = value["!"]
        if kind == "array":
            dtype = np.dtype(str(value["dtype"]))
            if dtype.kind not in ARRAY_KINDS:
                raise ValueError(f"dtype {dtype}")
            flat = np.frombuffer(base64.b64decode(value["data"], validate=True), dtype)
            return flat.reshape([int(n) for n in value["shape"]]).copy()
        if kind == "bytes":
            return base64.b64decode(value["data"], validate=True)
        if kind == "tuple":
            return tuple(decode(v) for v in value["items"])
        if kind == "set":
            return {decode(v) for v in value["items"]}
        if kind == "dict":
            return {decode(k): decode(v) for k, v in value["items"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"damaged data: {error}") from error
    raise ValueError(f"damaged data: kind {kind!r}")


def dumps(value: Any) -> bytes:
    return json.dumps(encode(value)).encode("ascii")


def loads(data: bytes) -> Any:
    try:
        return decode(json.loads(data))
    except (RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"damaged data: {error}") from error


def outcome_to_plain(outcome: Outcome) -> dict:
    return {"value": outcome.value, "error": outcome.error, "message": outcome.message}


def outcome_from_plain(data: Any) -> Outcome:
    if not isinstance(data, dict) or set(data) != {"value", "error", "message"}:
        raise ValueError("damaged data: not an outcome")
    return Outcome(data["value"], tuple(str(name) for name in data["error"]), str(data["message"]))
