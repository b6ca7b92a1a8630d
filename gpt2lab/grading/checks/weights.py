"""Checks of chapter 04: a safetensors header, names, transposes, the tied head, and loading all or nothing.

Cases and diagnoses; the wrong versions that the diagnoses name stand in `gpt2lab.grading.keys.weights`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..cases import Case, Check, Diagnosis, args, as_tensors, driver
from ..compare import exact, raises
from ..modules import NOTHING_RETURNED, model_weights, normal

KEYS = "gpt2lab.grading.keys.weights:"
# sections of the chapter
FILE, NAMES, TRANSPOSE, HEAD, USED_ONCE = "4.3", "4.5", "4.6", "4.7", "4.8"


def _wrong(name: str, says: str, section: str, variant: str) -> Diagnosis:
    return Diagnosis(name, says, section, variant=KEYS + variant)


# --- read_safetensors_header --------------------------------------------------------------------------------------

WIDTHS = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def file_of(*tensors: tuple[str, str, tuple[int, ...]], metadata: dict | None = None, listed: tuple[int, ...] = (),
            spaces: int = 0) -> bytes:  # fmt: skip
    """A safetensors file with (name, dtype, shape) tensors one behind the other; `listed`: their order in the header."""
    entries, at = [], 0
    for name, dtype, shape in tensors:
        end = at + WIDTHS[dtype] * int(np.prod(shape))
        entries.append((name, {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}))
        at = end
    header = {"__metadata__": metadata} if metadata else {}
    header |= dict(entries[i] for i in listed or range(len(entries)))
    text = json.dumps(header).encode() + b" " * spaces
    return len(text).to_bytes(8, "little") + text + bytes(range(256)) * (at // 256) + bytes(range(at % 256))


def claiming(length: int, data: bytes) -> bytes:
    """The same file, but its first eight bytes say another length."""
    return length.to_bytes(8, "little") + data[8:]


ONE = file_of(("wte.weight", "F32", (3, 2)))
# Its header has more than 255 bytes.
LAYER = file_of(("h.0.ln_1.weight", "F32", (4,)), ("h.0.attn.c_attn.weight", "F16", (4, 12)), ("h.0.ln_1.bias", "BF16", (4,)),
                listed=(1, 0, 2), spaces=30)  # fmt: skip


def _not_a_tensor(inputs: Any, expected: Any, got: Any) -> bool:
    """Stumbles over the entry of the metadata, which has neither dtype nor shape nor offsets."""
    return expected.ok and (("KeyError" in got.error and got.message.strip("'\"") in ("dtype", "shape", "data_offsets"))
                            or (got.ok and "__metadata__" in got.value))  # fmt: skip


def _turned_length(inputs: Any, expected: Any, got: Any) -> bool:
    return str(int.from_bytes(inputs["args"][0][:8], "big")) in got.message


HEADER = Check(
    piece="weights.read_safetensors_header",
    section=FILE,
    reference=KEYS + "read_safetensors_header",
    cases=(
        Case("one tensor", lambda rng: args(ONE), compare=exact()),
        Case("three tensors of three kinds", lambda rng: args(LAYER), points=2, compare=exact()),
        Case("with metadata", lambda rng: args(file_of(("wpe.weight", "F32", (2, 3)), metadata={"format": "pt"})), compare=exact()),
        Case("one number, and none at all", lambda rng: args(file_of(("scale", "F32", ()), ("nothing", "I64", (0, 4)))), points=0.5,
             compare=exact()),
        Case("the header would end behind the file", lambda rng: args(claiming(100_000, ONE)), points=0.5,
             compare=raises("ValueError", ("100000", str(len(ONE))))),
        Case("the file is cut short", lambda rng: args(LAYER[:-1]), points=0.5, compare=raises("ValueError", ("h.0.ln_1.bias",))),
    ),
    diagnoses=(
        Diagnosis("no error for a file that is cut short", "slicing beyond the end gives fewer bytes without a word: compare "
                  "with len(data) and raise ValueError", FILE,
                  when=lambda inputs, expected, got: not expected.ok and got.ok),
        Diagnosis("the error says nothing of the file", "test the lengths first and raise ValueError: which length is claimed "
                  "and how long the file is, or which tensor ends behind it", FILE,
                  when=lambda inputs, expected, got: not expected.ok and not got.ok),
        _wrong("offsets not moved behind the header", "offset 0 is the first byte after the header: add 8 + its length", FILE,
               "relative_offsets"),
        _wrong("the 8 bytes of the length not counted", "the header begins at byte 8: its tensors at 8 + its length", FILE,
               "length_not_counted"),
        _wrong("the header's own length not counted", "the tensors lie behind the header: add its length to the 8", FILE,
               "header_not_counted"),
        _wrong("JSON read from byte 0", "the first 8 bytes are the header's length, the JSON stands behind them", FILE,
               "read_from_the_start"),
        Diagnosis("length read as big-endian", "the smallest byte comes first: int.from_bytes(data[:8], 'little')", FILE,
                  variant=KEYS + "big_endian_length", when=_turned_length),
        _wrong("only one byte of the length read", "the length has 8 bytes: one byte counts to 255 only", FILE,
               "one_byte_length"),
        _wrong("shape turned round", "the shape is written as PyTorch says it, rows first", FILE, "shape_turned_round"),
        _wrong("size instead of end", "data_offsets are two places in the file, not a place and a length", FILE, "size_for_end"),
        Diagnosis("metadata taken for a tensor", "the entry __metadata__ holds notes, not a tensor: leave it out", FILE,
                  when=_not_a_tensor),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- map_name -----------------------------------------------------------------------------------------------------


def names(*stored: str):
    return lambda rng: {"names": list(stored)}


@driver("weights.names")
def _names(piece: Any, inputs: Any) -> Any:
    return {name: piece(name) for name in inputs["names"]}


def _all_none(inputs: Any, expected: Any, got: Any) -> bool:
    return got.ok and set(got.value.values()) == {None} != set(expected.value.values())


MAP_NAME = Check(
    piece="weights.map_name",
    section=NAMES,
    reference=KEYS + "map_name",
    cases=(
        Case("with the prefix", names("transformer.wte.weight", "transformer.h.0.attn.c_attn.weight", "transformer.h.11.mlp.c_fc.bias",
             "transformer.ln_f.bias"), driver="weights.names", compare=exact()),
        Case("without a prefix", names("wpe.weight", "h.0.attn.c_proj.weight", "ln_f.weight"), driver="weights.names", compare=exact()),
        Case("the head", names("lm_head.weight"), points=0.5, driver="weights.names", compare=exact()),
        Case("masks that old files carry", names("transformer.h.0.attn.bias", "h.3.attn.masked_bias", "h.11.attn.bias"),
             driver="weights.names", compare=exact()),
        Case("biases of attention", names("h.0.attn.c_attn.bias", "transformer.h.2.attn.c_proj.bias"), driver="weights.names",
             compare=exact()),
        Case("names that a GPT-2 does not have", names("score.weight", "transformer.h.0.ln_3.bias", "encoder.transformer.wte.weight"),
             driver="weights.names", compare=exact()),
    ),
    diagnoses=(
        _wrong("prefix kept", "the model's own names begin with wte, wpe, h or ln_f", NAMES, "prefix_kept"),
        _wrong("prefix cut off by its length", "not every file has it: cut only where it stands, name.removeprefix(...)", NAMES,
               "prefix_by_length"),
        _wrong("lstrip takes letters, not a prefix", "lstrip('transformer.') takes any of these letters off the front: "
               "removeprefix takes the word", NAMES, "prefix_by_letters"),
        _wrong("prefix removed anywhere in the name", "replace finds it in the middle too: removeprefix looks at the front",
               NAMES, "prefix_everywhere"),
        _wrong("head kept", "lm_head.weight is wte.weight a second time: there is nothing to load, return None", NAMES, "head_kept"),
        _wrong("head loaded into wte", "lm_head.weight has no place of its own: return None, wte.weight comes by itself", NAMES,
               "head_onto_wte"),
        _wrong("masks kept", "attn.bias and attn.masked_bias are the causal mask, saved by older versions, no parameters: "
               "return None", NAMES, "masks_kept"),
        _wrong("masked_bias kept", "older files carry two masks a layer: attn.bias and attn.masked_bias", NAMES, "masked_bias_kept"),
        _wrong("c_attn.bias dropped with the masks", "'h.0.attn.c_attn.bias' ends with 'attn.bias' too: ask for '.attn.bias' "
               "with its dot", NAMES, "c_attn_bias_dropped"),
        _wrong("all biases of attention dropped", "c_attn.bias and c_proj.bias are learned: only attn.bias and "
               "attn.masked_bias are masks", NAMES, "all_biases_of_attention_dropped"),
        _wrong("all biases dropped", "biases are learned: only attn.bias and attn.masked_bias are masks", NAMES,
               "all_biases_dropped"),
        _wrong("unknown names dropped", "whatever you do not know is handed on, so that a later check can complain of it", NAMES,
               "unknown_dropped"),
        Diagnosis("unknown names are an error here", "hand them on: check_state finds them and names them all at once", NAMES,
                  when=lambda inputs, expected, got: "score.weight" in inputs["names"] and not got.ok),
        Diagnosis("nothing returned", "your function ends without `return`, so its answer is None", NAMES, when=_all_none),
    ),
)  # fmt: skip

# --- conv1d_to_linear ---------------------------------------------------------------------------------------------


def tensors(**shapes: tuple[int, ...]):
    """Names are written with _ for . where Python wants it: h_0_attn__c_attn__weight is spelled out by `dotted`."""
    return lambda rng: {"tensors": {dotted(name): normal(rng, *shape) for name, shape in shapes.items()}}


def dotted(name: str) -> str:
    return name.replace("__", ".")


@driver("weights.tensors")
def _tensors(piece: Any, inputs: Any) -> Any:
    return {name: piece(name, tensor) for name, tensor in as_tensors(inputs["tensors"]).items()}


CONVERT = Check(
    piece="weights.conv1d_to_linear",
    section=TRANSPOSE,
    reference=KEYS + "conv1d_to_linear",
    cases=(
        Case("c_attn", tensors(h__0__attn__c_attn__weight=(2, 6)), driver="weights.tensors", compare=exact()),
        Case("a square matrix", tensors(h__1__attn__c_proj__weight=(3, 3)), points=2, driver="weights.tensors", compare=exact()),
        Case("the two of an MLP", tensors(h__0__mlp__c_fc__weight=(2, 8), h__0__mlp__c_proj__weight=(8, 2)), driver="weights.tensors",
             compare=exact()),
        Case("embeddings", tensors(wte__weight=(5, 3), wpe__weight=(4, 3)), driver="weights.tensors", compare=exact()),
        Case("square embeddings", tensors(wte__weight=(3, 3), wpe__weight=(3, 3)), points=0.5, driver="weights.tensors",
             compare=exact()),
        Case("vectors", tensors(h__0__attn__c_attn__bias=(6,), h__2__ln_1__weight=(4,), ln_f__bias=(2,)), points=0.5,
             driver="weights.tensors", compare=exact()),
        Case("layer 10", tensors(h__10__attn__c_attn__weight=(2, 6), h__10__mlp__c_proj__weight=(8, 2)), driver="weights.tensors",
             compare=exact()),
    ),
    diagnoses=(
        _wrong("square c_proj not transposed", "attn.c_proj is (C, C): its shape fits either way, so no shape can tell you. Ask "
               "for the name", TRANSPOSE, "square_not_transposed"),
        _wrong("layers with two digits forgotten", "look at the end of the name: GPT-2 has layers from h.10 on", TRANSPOSE,
               "first_ten_layers"),
        _wrong("not transposed", "the file has Conv1D matrices, (in, out); nn.Linear wants (out, in)", TRANSPOSE, "never_transposed"),
        _wrong("reshaped instead of transposed", "reshape and view keep the order of the numbers: the shape is right and the "
               "matrix is not. Use .T", TRANSPOSE, "reshaped"),
        _wrong("every matrix transposed", "wte and wpe are tables, a row for each token or place: they stay", TRANSPOSE, "every_matrix"),
        _wrong("wte transposed", "wte is a table with a row for each token: it stays", TRANSPOSE, "embeddings_too"),
        _wrong("wpe transposed", "wpe is a table with a row for each place: it stays", TRANSPOSE, "positions_too"),
        _wrong("both c_proj forgotten", "four matrices of a block are Conv1D: c_attn, c_fc, and a c_proj in attention and one in "
               "the MLP", TRANSPOSE, "wide_only"),
        _wrong("only attention's two transposed", "the MLP's c_fc and c_proj are Conv1D too", TRANSPOSE, "attention_only"),
        _wrong("only the MLP's two transposed", "attention's c_attn and c_proj are Conv1D too", TRANSPOSE, "mlp_only"),
        _wrong("rotated", "a transpose mirrors along the diagonal: .T", TRANSPOSE, "mirrored"),
        Diagnosis("nothing returned", "your function ends without `return`, so its answer is None", TRANSPOSE,
                  when=lambda inputs, expected, got: got.ok and None in got.value.values()),
    ),
)  # fmt: skip

# --- tie_head -----------------------------------------------------------------------------------------------------


def head_case(V: int, C: int, learn: bool = False):
    return lambda rng: {"wte": normal(rng, V, C), "head": normal(rng, V, C), "x": normal(rng, 2, C), "learn": learn}


def _head_model(inputs: Any) -> Any:
    from torch import nn

    V, C = inputs["wte"].shape
    model = nn.Module()
    model.wte, model.lm_head = nn.Embedding(V, C), nn.Linear(C, V, bias=False)
    given = as_tensors(inputs)
    model.wte.weight.data.copy_(given["wte"])
    model.lm_head.weight.data.copy_(given["head"])
    return model


@driver("weights.head")
def _head(piece: Any, inputs: Any) -> Any:
    """What the head answers after tying, and what both answer after the table has changed or one step of training."""
    import torch

    model = _head_model(inputs)
    piece(model)
    x = as_tensors(inputs["x"])
    found = {"wte": model.wte.weight, "out": model.lm_head(x)}
    if inputs["learn"]:
        found["numbers to learn"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        (model.lm_head(x).sum() + model.wte(torch.tensor([0, 0])).sum()).backward()
        found["gradient of wte"] = model.wte.weight.grad
    else:
        with torch.no_grad():
            model.wte.weight[0] += 1.0
        found["out after wte has changed"] = model.lm_head(x)
    return found


TIE = Check(
    piece="weights.tie_head",
    section=HEAD,
    reference=KEYS + "tie_head",
    cases=(
        Case("the head answers with the table", head_case(V=5, C=3), driver="weights.head"),
        Case("as many tokens as channels", head_case(V=4, C=4), points=0.5, driver="weights.head"),
        Case("one tensor to learn", head_case(V=6, C=2, learn=True), points=2, driver="weights.head"),
    ),
    diagnoses=(
        _wrong("not tied", "the head still has numbers of its own", HEAD, "head_left_alone"),
        _wrong("two parameters on one memory", ".data shares the numbers and not the parameter: an optimizer sees two, each with "
               "a part of the gradient. Assign the Parameter itself", HEAD, "head_on_the_same_memory"),
        _wrong("lm_head copied, not tied", "a copy is equal today: as soon as one of the two learns they part. Give the head the "
               "tensor itself: lm_head.weight = wte.weight", HEAD, "head_copied"),
        _wrong("head transposed", "nn.Linear keeps (out, in), which is (V, C), the table's own shape", HEAD, "head_transposed"),
        _wrong("trained table overwritten", "the file holds wte; the head's numbers are only its random start: wte stays", HEAD,
               "embedding_overwritten"),
        _wrong("head replaced by the embedding", "an Embedding looks rows up, the head multiplies: keep the Linear, exchange its "
               "weight", HEAD, "head_replaced_by_embedding"),
        _wrong("the table no longer learns", "the tied tensor is a parameter like the others: leave requires_grad as it was", HEAD,
               "head_frozen"),
    ),
)  # fmt: skip

# --- check_state --------------------------------------------------------------------------------------------------

WANTED = {"wte.weight": (5, 4), "wpe.weight": (6, 4), "h.0.attn.c_attn.weight": (12, 4), "h.0.attn.c_proj.weight": (4, 4),
          "h.0.mlp.c_fc.weight": (16, 4), "ln_f.weight": (4,), "ln_f.bias": (4,)}  # fmt: skip


def state_args(without: tuple[str, ...] = (), wanted: dict = WANTED, **changed: tuple[int, ...]):
    """`wanted` with other shapes or additional names; `__` stands for a dot."""

    def inputs(rng: np.random.Generator) -> dict:
        shapes = {k: v for k, v in wanted.items() if k not in without} | {dotted(k): v for k, v in changed.items()}
        return args(shapes, dict(wanted))

    return inputs


CHECK_STATE = Check(
    piece="weights.check_state",
    section=USED_ONCE,
    reference=KEYS + "check_state",
    cases=(
        Case("all in its place", state_args(), points=0.5, compare=exact()),
        Case("two are missing", state_args(without=("wpe.weight", "ln_f.bias")), compare=exact()),
        Case("two are left over", state_args(h__1__ln_1__weight=(4,), score__weight=(2, 4)), compare=exact()),
        Case("not transposed", state_args(h__0__attn__c_attn__weight=(4, 12), h__0__mlp__c_fc__weight=(4, 16)), compare=exact()),
        Case("another model", state_args(wte__weight=(9, 4), ln_f__weight=(4, 1)), compare=exact()),
        Case("as many, but one under another name", state_args(without=("ln_f.weight",), ln_f__gamma=(4,)), compare=exact()),
        Case("nothing there", state_args(without=tuple(WANTED)), points=0.5, compare=exact()),
    ),
    diagnoses=(
        _wrong("missing names not looked for", "a parameter without weights keeps its random start, and nobody is told", USED_ONCE,
               "missing_not_sought"),
        _wrong("left over names not looked for", "a tensor that nobody took means: another model, or a wrong name", USED_ONCE,
               "left_over_not_sought"),
        _wrong("turned round shapes accepted", "(4, 12) for (12, 4) is exactly the mistake to find", USED_ONCE, "turned_round_allowed"),
        _wrong("shapes not compared", "a tensor of the right name can still be the wrong way round", USED_ONCE, "shapes_not_compared"),
        _wrong("numbers counted instead of shapes", "(4, 12) and (12, 4) hold as many numbers: compare the shapes", USED_ONCE,
               "numbers_counted"),
        _wrong("axes counted instead of shapes", "two matrices can differ in size: compare the shapes", USED_ONCE, "axes_counted"),
        _wrong("missing and left over swapped", "missing: wanted and not there; left over: there and not wanted", USED_ONCE,
               "missing_and_left_over_swapped"),
        _wrong("missing ones have a wrong shape too", "what is not there has no shape: it is missing, and only that", USED_ONCE,
               "missing_has_wrong_shape"),
        _wrong("left over ones have a wrong shape too", "nobody wants them, so no shape is wrong for them", USED_ONCE,
               "left_over_has_wrong_shape"),
        _wrong("not sorted", "sort each list by name", USED_ONCE, "unsorted"),
        _wrong("only the first of each kind", "name them all: whoever mends a file wants to mend it once", USED_ONCE, "first_only"),
        Diagnosis("KeyError for a missing name", "stored[name] fails where the name is not there: ask `name in stored` first",
                  USED_ONCE, when=lambda inputs, expected, got: "KeyError" in got.error),
        Diagnosis("sets instead of sorted lists", "sorted(...) makes a list of a set", USED_ONCE,
                  when=lambda inputs, expected, got: got.ok and any(isinstance(v, set) for v in got.value.values())),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- load_weights -------------------------------------------------------------------------------------------------


def stored_weights(rng: np.random.Generator, L: int, C: int, V: int, P: int, prefix: str, masks: bool) -> dict:
    """A model's weights as a Hugging Face file has them: Conv1D, the head once more, and maybe masks."""
    own = model_weights(rng, L, C, V, P)
    turned = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
    stored = {prefix + name: np.ascontiguousarray(w.T) if name.endswith(turned) else w for name, w in own.items()}
    if masks:
        stored |= {f"{prefix}h.{i}.attn.bias": np.tril(np.ones((1, 1, P, P), dtype="uint8")) for i in range(L)}
    return stored | {"lm_head.weight": own["wte.weight"]}


def load_case(L: int = 1, C: int = 4, H: int = 2, V: int = 7, P: int = 6, prefix: str = "transformer.", masks: bool = False,
              without: str = "", extra: str = "", turned: str = ""):  # fmt: skip
    def inputs(rng: np.random.Generator) -> dict:
        stored = stored_weights(rng, L, C, V, P, prefix, masks)
        if without:
            del stored[prefix + without]
        if extra:
            stored[prefix + extra] = normal(rng, C)
        if turned:
            stored[prefix + turned] = np.ascontiguousarray(stored[prefix + turned].T)
        config = {"n_layer": L, "n_embd": C, "n_head": H, "vocab_size": V, "n_positions": P}
        ids = rng.integers(0, V, (1, P))
        return {"config": config, "stored": stored, "input_ids": ids, "at fault": without or extra or turned}

    return inputs


def _fresh_model(config: dict) -> Any:
    import torch

    from gpt2lab.decoder import GPT2, GPT2Config

    torch.manual_seed(5)  # a random start, the same for everybody
    return GPT2(GPT2Config(**config, initializer_range=0.3)).eval()


@driver("weights.load")
def _load(piece: Any, inputs: Any) -> Any:
    model = _fresh_model(inputs["config"])
    piece(model, as_tensors(inputs["stored"]))
    return {"logits": model(as_tensors(inputs["input_ids"])).logits}


@driver("weights.refuse")
def _refuse(piece: Any, inputs: Any) -> Any:
    """For weights that do not fit: was it said which, and was the model left as it was?"""
    model = _fresh_model(inputs["config"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        piece(model, as_tensors(inputs["stored"]))
    except ValueError as error:
        said, named = "ValueError", inputs["at fault"] in str(error)
    else:
        said, named = "nothing", False
    same = all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    return {"raised": said, "the tensor is named": named, "the model is as before": same}


def _refusal(key: str, value: Any, when_raised: bool = True):
    def recognise(inputs: Any, expected: Any, got: Any) -> bool:
        return (
            got.ok
            and "raised" in got.value
            and (not when_raised or got.value["raised"] == "ValueError")
            and got.value[key] == value
        )

    return recognise


def _pytorchs_own(inputs: Any, expected: Any, got: Any) -> bool:
    return "at fault" in inputs and bool(inputs["at fault"]) and "RuntimeError" in got.error


LOAD = Check(
    piece="weights.load_weights",
    section=USED_ONCE,
    reference=KEYS + "load_weights",
    cases=(
        Case("one layer", load_case(), driver="weights.load"),
        Case("no prefix, with masks", load_case(L=2, prefix="", masks=True), driver="weights.load"),
        Case("a tensor is missing", load_case(L=2, without="h.1.ln_2.bias"), driver="weights.refuse", compare=exact()),
        Case("a tensor is left over", load_case(extra="h.0.ln_3.weight"), driver="weights.refuse", compare=exact()),
        Case("a matrix has a wrong shape", load_case(turned="h.0.mlp.c_fc.weight"), driver="weights.refuse", compare=exact()),
    ),
    diagnoses=(
        _wrong("missing keys hidden by strict=False", "the parameter keeps its random start and the model still talks, a little "
               "worse: compare the names yourself", USED_ONCE, "missing_hidden"),
        _wrong("left over tensors ignored", "weights that nobody took mean that something is wrong: say so", USED_ONCE,
               "left_over_hidden"),
        _wrong("missing and left over hidden by strict=False", "strict=False is silent about both: compare the names yourself", USED_ONCE,
               "both_hidden"),
        _wrong("wrong shapes skipped", "a matrix that does not fit must stop the loading", USED_ONCE, "wrong_shape_skipped"),
        _wrong("square c_proj not transposed", "attn.c_proj is (C, C): no shape tells you that it is the wrong way round",
               TRANSPOSE, "loaded_square_untransposed"),
        _wrong("reshaped instead of transposed", "the shape is right and the matrix is not: .T", TRANSPOSE, "loaded_reshaped"),
        Diagnosis("half loaded before the error", "check everything first, then load: after an error the model is as it was", USED_ONCE,
                  when=_refusal("the model is as before", False)),
        Diagnosis("the tensor is not named", "say which tensor is missing, left over or of a wrong shape", USED_ONCE,
                  when=_refusal("the tensor is named", False)),
        Diagnosis("PyTorch's error after half of it was loaded", "load_state_dict copies what fits before it complains: check "
                  "first, and raise a ValueError that names the tensor", USED_ONCE, when=_pytorchs_own),
        Diagnosis("Conv1D matrices as they are in the file", "(in, out) does not fit nn.Linear's (out, in): conv1d_to_linear",
                  TRANSPOSE,
                  when=lambda inputs, expected, got: not inputs["at fault"] and "c_attn.weight" in got.message),
        Diagnosis("names as they are in the file", "the model has neither a prefix nor an lm_head nor masks: map_name", NAMES,
                  when=lambda inputs, expected, got: not inputs["at fault"] and not got.ok
                  and ("transformer." in got.message or "lm_head" in got.message or "attn.bias" in got.message)),
    ),
)  # fmt: skip

CHECKS = (HEADER, MAP_NAME, CONVERT, TIE, CHECK_STATE, LOAD)
