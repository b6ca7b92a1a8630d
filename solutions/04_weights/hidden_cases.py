"""Cases of exercise 04 that a learner does not see: other files, other names, other sizes."""

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.weights import WANTED, claiming, file_of, head_case, load_case, names, state_args, tensors

MANY = file_of(*((f"h.{i}.ln_1.weight", dtype, (i + 1, 3)) for i, dtype in enumerate(("F32", "F16", "I64", "U8", "BF16", "F32"))),
               metadata={"format": "pt", "from": "a test"}, listed=(3, 0, 5, 1, 4, 2), spaces=5)  # fmt: skip
NORMS = {f"h.{i}.ln_{n}.{part}": (8,) for i in range(3) for n in (1, 2) for part in ("weight", "bias")}

HIDDEN = {
    "weights.read_safetensors_header": (
        Case("six tensors in another order", lambda rng: args(MANY), points=2, compare=exact()),
        Case("no tensor at all", lambda rng: args(file_of()), points=0.5, compare=exact()),
        Case("a header of unbelievable length", lambda rng: args(claiming(2**50, MANY)), points=0.5, compare=raises("ValueError", (str(2**50),))),
        Case("cut inside its header", lambda rng: args(MANY[:-400]), points=0.5, compare=raises("ValueError", (str(len(MANY) - 400),))),
    ),
    "weights.map_name": (
        Case("a whole layer", names(*(f"transformer.h.7.{part}.{kind}" for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc",
             "mlp.c_proj") for kind in ("weight", "bias"))), points=2, driver="weights.names", compare=exact()),
        Case("other names of other models", names("model.norm.weight", "roberta.transformer.h.0.attn.bias.weight", "transformer.foo"),
             driver="weights.names", compare=exact()),
    ),
    "weights.conv1d_to_linear": (
        Case("a square layer", tensors(h__3__attn__c_attn__weight=(4, 4), h__3__attn__c_proj__weight=(4, 4), h__3__mlp__c_fc__weight=(4, 4),
             h__3__mlp__c_proj__weight=(4, 4)), points=2, driver="weights.tensors", compare=exact()),
        Case("layer 47", tensors(h__47__attn__c_proj__weight=(5, 5), h__47__mlp__c_fc__weight=(3, 12), h__47__ln_2__bias=(3,)),
             driver="weights.tensors", compare=exact()),
    ),
    "weights.tie_head": (
        Case("more tokens", head_case(V=9, C=4), points=0.5, driver="weights.head"),
        Case("learning, square", head_case(V=5, C=5, learn=True), driver="weights.head"),
    ),
    "weights.check_state": (
        Case("many layers, everything wrong", state_args(without=("h.2.ln_1.bias", "h.0.ln_2.weight"), wanted=NORMS, h__1__ln_1__weight=(8, 1),
             h__0__ln_1__bias=(16,), h__3__ln_1__bias=(8,), score=(2, 8)), points=2, compare=exact()),
        Case("everything twice as large", state_args(wte__weight=(10, 4), wpe__weight=(12, 4), ln_f__bias=(8,)), compare=exact()),
        Case("wanted by nobody", state_args(wanted={}, **{name.replace(".", "__"): shape for name, shape in WANTED.items()}), points=0.5,
             compare=exact()),
    ),
    "weights.load_weights": (
        Case("three layers", load_case(L=3, C=6, H=3, V=11, P=5), points=2, driver="weights.load"),
        Case("the table is missing", load_case(without="wte.weight"), driver="weights.refuse", compare=exact()),
        Case("the last tensor has a wrong shape", load_case(L=2, turned="h.1.mlp.c_proj.weight", prefix=""), driver="weights.refuse", compare=exact()),
        Case("a tensor of another model", load_case(L=2, extra="h.2.ln_1.weight", masks=True), driver="weights.refuse", compare=exact()),
    ),
}  # fmt: skip
