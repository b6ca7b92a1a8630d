"""Checks of chapter 03: embeddings, LayerNorm, GELU, MLP, block, model, loss, and the number of parameters.

Cases and diagnoses; the wrong versions that the diagnoses name stand in `gpt2lab.grading.keys.decoder`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..cases import Case, Check, Diagnosis, args, as_tensors, driver
from ..compare import exact, raises
from ..modules import NO_SUPER, NOTHING_RETURNED, block_weights, config_of, load_parameters, mlp_weights, model_weights, normal

KEYS = "gpt2lab.grading.keys.decoder:"
FLOOR = "gpt2lab.decoder:"
# sections of the chapter
EMBEDDING, NORM, ACTIVATION, BLOCK, MODEL, HEAD, COUNT, LOSS = "3.3", "3.4", "3.5", "3.6", "3.8", "3.9", "3.10", "3.11"


def _wrong(name: str, says: str, section: str, variant: str) -> Diagnosis:
    return Diagnosis(name, says, section, variant=KEYS + variant)


def _error(name: str, says: str, section: str, pattern: str) -> Diagnosis:
    return Diagnosis(name, says, section, when=lambda inputs, expected, got: bool(re.search(pattern, got.message)))


# --- embed --------------------------------------------------------------------------------------------------------


def embed_args(B: int, T: int, past: int = 0, V: int = 6, C: int = 4, n_positions: int = 8):
    """More positions than token ids, so that no mistake runs past a table."""

    def inputs(rng: np.random.Generator) -> dict:
        named = {"past_length": past} if past else {}
        return args(rng.integers(0, V, (B, T)), normal(rng, V, C), normal(rng, n_positions, C), **named)

    return inputs


def _past_not_counted(inputs: Any, expected: Any, got: Any) -> bool:
    past = inputs["kwargs"].get("past_length", 0)
    named = "ValueError" in got.error and str(past + inputs["args"][0].shape[1]) in got.message
    return not expected.ok and past > 0 and not named


def easy_ids(rng: np.random.Generator):
    yield from (embed_args(B, T, V=2, C=1, n_positions=3)(rng) for B, T in ((1, 1), (1, 2), (2, 1), (2, 2)))


EMBED = Check(
    piece="decoder.embed",
    section=EMBEDDING,
    reference=KEYS + "embed",
    cases=(
        Case("three tokens", embed_args(B=1, T=3), smaller=easy_ids),
        Case("two sequences", embed_args(B=2, T=5), smaller=easy_ids),
        Case("after three cached tokens", embed_args(B=2, T=2, past=3)),
        Case("every position taken", embed_args(B=1, T=8), points=0.5),
        Case("one token too many", embed_args(B=1, T=9), points=0.5, compare=raises("ValueError", ("9", "8"))),
        Case("too many with the cached ones", embed_args(B=1, T=3, past=7), points=0.5,
             compare=raises("ValueError", ("10", "8"))),
    ),
    diagnoses=(
        _wrong("wpe[token_id]", "the second table is asked for the place of the token, 0, 1, 2, ..., not for the token",
               EMBEDDING, "positions_by_token"),
        _wrong("positions from 1", "the first token stands at position 0", EMBEDDING, "positions_from_one"),
        _wrong("concatenated instead of added", "the two vectors are added: (B, T, C), not (B, T, 2C)", EMBEDDING,
               "concatenated"),
        _wrong("clipped beyond n_positions", "giving the last position to every token that is left over makes the model "
               "wrong without a word: raise ValueError", EMBEDDING, "positions_clipped"),
        _wrong("wrapped beyond n_positions", "starting again at position 0 makes the model wrong without a word: raise "
               "ValueError", EMBEDDING, "positions_wrapped"),
        _wrong("cropped beyond n_positions", "the caller must know that tokens were dropped: raise ValueError, and let the "
               "caller crop", EMBEDDING, "positions_cropped"),
        _wrong("position restarts at 0", "after past_length cached tokens the next one stands at position past_length", MODEL,
               "positions_restart"),
        _wrong("all new tokens at one position", "count on: past_length, past_length + 1, ...", EMBEDDING, "positions_all_past"),
        _wrong("positions along the batch", "each sequence counts its own tokens: torch.arange(T)", EMBEDDING,
               "positions_by_batch"),
        _wrong("no positions", "without wpe a sentence is a bag of tokens", EMBEDDING, "no_positions"),
        _wrong("multiplied instead of added", "the two vectors are added", EMBEDDING, "multiplied"),
        _wrong("embedding scaled by sqrt(C)", "the first Transformer did that, GPT-2 does not", EMBEDDING, "scaled_embedding"),
        Diagnosis("cached tokens are not counted in the length", "past_length + T must fit into n_positions, not T alone",
                  EMBEDDING,
                  when=_past_not_counted),
        Diagnosis("no error beyond n_positions", "the table wpe has no such row, and the error says nothing of tokens: test "
                  "the length first and raise ValueError with both numbers", EMBEDDING,
                  when=lambda inputs, expected, got: not expected.ok and not got.ok and "ValueError" not in got.error),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- LayerNorm ----------------------------------------------------------------------------------------------------


def norm_case(*shape: int, scale: float = 1.0, around: float = 0.0, eps: float | None = None):
    """Gain is not 1 and bias is not 0."""

    def inputs(rng: np.random.Generator) -> dict:
        C = shape[-1]
        weights = {"weight": normal(rng, C, scale=0.5, around=1.5), "bias": normal(rng, C, around=0.5)}
        return {"n_embd": C, "eps": eps, "weights": weights, "x": normal(rng, *shape, scale=scale, around=around)}

    return inputs


@driver("decoder.norm")
def _norm(piece: Any, inputs: Any) -> Any:
    module = piece(inputs["n_embd"]) if inputs["eps"] is None else piece(inputs["n_embd"], inputs["eps"])
    return load_parameters(module, inputs["weights"])(as_tensors(inputs["x"]))


@driver("decoder.fresh norm")
def _fresh_norm(piece: Any, inputs: Any) -> Any:
    return {name: parameter for name, parameter in sorted(piece(inputs["n_embd"]).named_parameters())}


def easy_norms(rng: np.random.Generator):
    yield from (norm_case(*shape)(rng) for shape in ((2,), (1, 1, 2), (1, 2, 2), (2, 1, 2)))


def _other_names(inputs: Any, expected: Any, got: Any) -> bool:
    """Two parameters there are, but not weight and bias."""
    names = re.findall(r"'(\w+)'", got.message.partition("it has")[2]) if not got.ok else list(got.value)
    return len(names) >= 2 and not {"weight", "bias"} <= set(names)


LAYER_NORM = Check(
    piece="decoder.LayerNorm",
    section=NORM,
    reference=FLOOR + "LayerNorm",
    cases=(
        Case("one sequence", norm_case(1, 2, 4), driver="decoder.norm", smaller=easy_norms),
        Case("two sequences far from 0", norm_case(2, 3, 5, scale=2, around=7), driver="decoder.norm", smaller=easy_norms),
        Case("tiny variance", norm_case(1, 3, 6, scale=2e-3), driver="decoder.norm"),
        Case("another eps", norm_case(2, 2, 4, eps=0.5), points=0.5, driver="decoder.norm"),
        Case("one vector", norm_case(5), points=0.5, driver="decoder.norm"),
        Case("gain 1 and bias 0 at the start", lambda rng: {"n_embd": 3}, points=0.5, driver="decoder.fresh norm"),
    ),
    diagnoses=(
        _wrong("ddof=1", "divide the sum of squares by C, not C - 1: torch.var divides by C - 1 unless you pass "
               "correction=0", NORM, "norm_ddof"),
        _wrong("eps outside the root", "sqrt(var + eps), not sqrt(var) + eps: it matters where the variance is tiny", NORM,
               "norm_eps_outside"),
        _wrong("ddof=1 and eps outside the root", "x.std() divides by C - 1, and eps belongs under the root: sqrt(var + "
               "eps)", NORM, "norm_ddof_and_outside"),
        _wrong("eps not taken from the argument", "use the eps that was passed", NORM, "norm_default_eps"),
        _wrong("eps 1e-12", "GPT-2 uses 1e-5: where the variance is tiny the difference shows", NORM, "norm_tiny_eps"),
        _wrong("wrong axis: over the tokens", "each token is normalised by itself, over its channels: dim=-1, keepdim=True",
               NORM, "norm_over_time"),
        _wrong("wrong axis: over the whole batch", "each token is normalised by itself, over its channels: dim=-1, "
               "keepdim=True", NORM, "norm_over_everything"),
        _wrong("wrong axis: over the whole sequence", "each token is normalised by itself: one with the others in view "
               "would see the future", NORM, "norm_over_sequence"),
        _wrong("RMSNorm", "that is Llama's: GPT-2 subtracts the mean first", NORM, "norm_rms"),
        _wrong("no gain", "multiply by self.weight", NORM, "norm_no_gain"),
        _wrong("no bias", "add self.bias", NORM, "norm_no_bias"),
        Diagnosis("parameters with other names or shapes", "GPT-2's weights are loaded by name: call them self.weight and self.bias", NORM,
                  when=_other_names),
        Diagnosis("no gain or bias", "two parameters, weight (ones) and bias (zeros), scale and move what was normalised", NORM,
                  variant=KEYS + "norm_no_gain_or_bias", when=lambda inputs, expected, got: "has no parameter" in got.message
                  or (got.ok and isinstance(got.value, dict) and set(got.value) < {"weight", "bias"})),
        _wrong("1 + gain", "the gain starts at 1 by itself", NORM, "norm_gain_plus_one"),
        _wrong("divided by the variance", "divide by its root: the spread becomes 1", NORM, "norm_by_variance"),
        _wrong("only centred", "divide by the spread too", NORM, "norm_centre_only"),
        NO_SUPER,
        Diagnosis("gain and bias start elsewhere", "a new LayerNorm leaves the normalised numbers alone: weight ones, bias "
                  "zeros", NORM,
                  when=lambda inputs, expected, got: got.ok and isinstance(got.value, dict)
                  and set(got.value) == {"weight", "bias"}),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- gelu and MLP -------------------------------------------------------------------------------------------------

def easy_numbers(rng: np.random.Generator):
    yield from (args(np.array([x], dtype="float32")) for x in (0, 1, -1, 3, -3))


GELU = Check(
    piece="decoder.gelu",
    section=ACTIVATION,
    reference=KEYS + "gelu",
    cases=(
        Case("from -3 to 3", lambda rng: args(np.linspace(-3, 3, 13).astype("float32")), smaller=easy_numbers),
        Case("a batch", lambda rng: args(normal(rng, 2, 3, 4, scale=2)), smaller=easy_numbers),
        Case("far out", lambda rng: args(np.array([-60.0, -8.0, 0.0, 8.0, 60.0], dtype="float32")), points=0.5),
    ),
    diagnoses=(
        _wrong("erf GELU", "GPT-2 was trained with the tanh form; the exact one differs in the fourth digit, in every layer",
               ACTIVATION, "gelu_erf"),
        _wrong("sigmoid GELU", "x * sigmoid(1.702 x) is another approximation: GPT-2's is the tanh form", ACTIVATION,
               "gelu_sigmoid"),
        _wrong("ReLU", "GELU lets small negative numbers through, bent towards 0", ACTIVATION, "gelu_relu"),
        _wrong("SiLU", "x * sigmoid(x) is Llama's", ACTIVATION, "gelu_silu"),
        _wrong("no cubic term", "inside the tanh: x + 0.044715 x^3", ACTIVATION, "gelu_no_cube"),
        _wrong("0.44715 for 0.044715", "the cubic term is small", ACTIVATION, "gelu_cube_misread"),
        _wrong("2/pi without the root", "the factor before the bracket is sqrt(2/pi) = 0.7979", ACTIVATION, "gelu_no_root"),
        _wrong("no factor 0.5", "half of x times (1 + tanh): far to the right GELU is x, not 2x", ACTIVATION, "gelu_no_half"),
        _wrong("tanh itself", "GELU is x times a gate between 0 and 1", ACTIVATION, "gelu_tanh_only"),
        NOTHING_RETURNED,
    ),
)  # fmt: skip


def mlp_case(B: int, T: int, C: int, dropout: float = 0.0):
    config = {"n_embd": C, "resid_pdrop": dropout}
    return lambda rng: {"config": config, "weights": mlp_weights(rng, C), "x": normal(rng, B, T, C, scale=1.5)}


@driver("decoder.module")
def _module(piece: Any, inputs: Any) -> Any:
    """Builds from a config, loads the weights, runs twice: in eval mode both runs are the same."""
    module = load_parameters(piece(config_of(**inputs["config"])), inputs["weights"])
    first, again = (module(as_tensors(inputs["x"])) for _ in range(2))
    first, again = (out[0] if isinstance(out, tuple) else out for out in (first, again))  # a block may hand on its weights
    return {"out": first, "out of a second run": again}


def _differs_by_run(inputs: Any, expected: Any, got: Any) -> bool:
    return got.ok and not np.array_equal(got.value["out"], got.value["out of a second run"], equal_nan=True)


AWAKE = Diagnosis("dropout active in eval", "two runs of the same input differ: use nn.Dropout as a module, or pass "
                  "training=self.training", ACTIVATION, when=_differs_by_run)  # fmt: skip
NAMES = _error("parameters with other names or shapes", "GPT-2's weights are loaded by name: take the names and shapes of "
               "the exercise, and no others", ACTIVATION, r"^the module has|^[\w.]+ has shape")  # fmt: skip

MLP = Check(
    piece="decoder.MLP",
    section=ACTIVATION,
    reference=FLOOR + "MLP",
    cases=(
        Case("one token", mlp_case(B=1, T=1, C=3), driver="decoder.module"),
        Case("two sequences", mlp_case(B=2, T=3, C=4), driver="decoder.module"),
        Case("dropout sleeps in eval", mlp_case(B=1, T=2, C=4, dropout=0.5), points=0.5, driver="decoder.module"),
    ),
    diagnoses=(
        AWAKE,
        _wrong("erf GELU", "GPT-2 was trained with the tanh form: F.gelu(x, approximate='tanh')", ACTIVATION, "mlp_erf"),
        _wrong("sigmoid GELU", "x * sigmoid(1.702 x) is another approximation: GPT-2's is the tanh form", ACTIVATION,
               "mlp_sigmoid"),
        _wrong("ReLU", "GELU stands between the two layers", ACTIVATION, "mlp_relu"),
        _wrong("no activation", "two linear layers without a bend between them are one linear layer", ACTIVATION,
               "mlp_no_activation"),
        _wrong("GELU after c_proj", "the order is c_fc, GELU, c_proj", ACTIVATION, "mlp_gelu_late"),
        _wrong("GELU a second time", "nothing bends the answer of c_proj", ACTIVATION, "mlp_gelu_twice"),
        _wrong("residual inside the MLP", "the block adds x, not the MLP", BLOCK, "mlp_with_residual"),
        NO_SUPER,
        NAMES,
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- Block --------------------------------------------------------------------------------------------------------


def block_case(B: int, T: int, C: int, H: int, **config: float):
    def inputs(rng: np.random.Generator) -> dict:
        fields = {"n_embd": C, "n_head": H, **config}
        return {"config": fields, "weights": block_weights(rng, C), "x": normal(rng, B, T, C, scale=1.5, around=0.5)}

    return inputs


BLOCK_CHECK = Check(
    piece="decoder.Block",
    section=BLOCK,
    reference=FLOOR + "Block",
    cases=(
        Case("one token", block_case(B=1, T=1, C=4, H=2), driver="decoder.module"),
        Case("two sequences", block_case(B=2, T=4, C=6, H=3), points=2, driver="decoder.module"),
        Case("dropout sleeps in eval", block_case(B=1, T=3, C=4, H=1, resid_pdrop=0.5, attn_pdrop=0.5), points=0.5,
             driver="decoder.module"),
        Case("another eps", block_case(B=1, T=2, C=4, H=1, layer_norm_epsilon=0.3), points=0.5, driver="decoder.module"),
    ),
    diagnoses=(
        AWAKE,
        _wrong("post-LN", "the first Transformer normalised the sum; GPT-2 normalises the copy that a sublayer reads: x + "
               "attn(ln_1(x))", BLOCK, "block_post_ln"),
        _wrong("residual from the normalised x", "add to x as it came in, not to ln(x): the stream itself is never "
               "normalised", BLOCK, "block_residual_from_normalised"),
        _wrong("first residual from the normalised x", "add to x as it came in, not to ln_1(x)", BLOCK,
               "block_first_residual_from_normalised"),
        Diagnosis("one LN for both sublayers", "ln_1 stands before attention, ln_2 before the MLP, each with its own gain "
                  "and bias", BLOCK, variant=KEYS + "block_one_ln",
                  when=lambda inputs, expected, got: "has no parameter 'ln_2" in got.message),
        _wrong("one normalised copy for both sublayers", "the MLP reads the stream after attention has written to it, "
               "through ln_2", BLOCK, "block_same_copy_for_both"),
        _wrong("the two LNs swapped", "ln_1 stands before attention, ln_2 before the MLP", BLOCK, "block_ln_swapped"),
        _wrong("both sublayers in parallel", "the MLP reads the stream after attention has written to it", BLOCK,
               "block_parallel"),
        _wrong("no residual", "each sublayer adds its answer to the stream: x = x + ...", BLOCK, "block_no_residual"),
        _wrong("no residual around the MLP", "x = x + mlp(ln_2(x))", BLOCK, "block_no_second_residual"),
        _wrong("no residual around attention", "x = x + attn(ln_1(x))", BLOCK, "block_no_first_residual"),
        _wrong("attention's answer lost", "the second sum starts from the stream that attention has written to, not from "
               "the block's input", BLOCK, "block_old_residual"),
        _wrong("no LN", "each sublayer reads a normalised copy of the stream", BLOCK, "block_no_ln"),
        _wrong("no LN before the MLP", "the MLP reads ln_2(x)", BLOCK, "block_no_second_ln"),
        _wrong("answers normalised", "normalise what a sublayer reads, not what it says: x + attn(ln_1(x))", BLOCK,
               "block_ln_on_answers"),
        _wrong("MLP before attention", "first look around, then think: attention, then MLP", BLOCK, "block_mlp_first"),
        Diagnosis("eps not taken from the config", "LayerNorm(config.n_embd, config.layer_norm_epsilon)", NORM,
                  when=lambda inputs, expected, got: got.ok and "layer_norm_epsilon" in inputs["config"]),
        NO_SUPER,
        NAMES,
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- GPT2 ---------------------------------------------------------------------------------------------------------


def model_case(B: int, T: int, L: int = 2, C: int = 8, H: int = 2, V: int = 7, P: int = 9, **config: float):
    def inputs(rng: np.random.Generator) -> dict:
        fields = {"n_layer": L, "n_embd": C, "n_head": H, "vocab_size": V, "n_positions": P, **config}
        return {"config": fields, "weights": model_weights(rng, L, C, V, P), "input_ids": rng.integers(0, V, (B, T))}

    return inputs


@driver("decoder.model")
def _model(piece: Any, inputs: Any) -> Any:
    model = load_parameters(piece(config_of(**inputs["config"])), inputs["weights"])
    first, again = (model(as_tensors(inputs["input_ids"])) for _ in range(2))
    first, again = (getattr(out, "logits", out) for out in (first, again))
    return {"out": first, "out of a second run": again}


MODEL_CHECK = Check(
    piece="decoder.GPT2",
    section=MODEL,
    reference=FLOOR + "GPT2",
    cases=(
        Case("one layer", model_case(B=1, T=3, L=1, C=4), driver="decoder.model"),
        Case("two layers", model_case(B=1, T=4), points=2, driver="decoder.model"),
        Case("three layers, two sequences", model_case(B=2, T=6, L=3, C=6, H=3), points=2, driver="decoder.model"),
        Case("dropout sleeps in eval", model_case(B=1, T=3, L=1, C=4, embd_pdrop=0.5, resid_pdrop=0.5, attn_pdrop=0.5),
             points=0.5, driver="decoder.model"),
        Case("one token too many", model_case(B=1, T=10), points=0.5, driver="decoder.model",
             compare=raises("ValueError", ("10", "9"))),
    ),
    diagnoses=(
        AWAKE,
        Diagnosis("no ln_f", "one last LayerNorm, ln_f, stands between the last block and the head", MODEL,
                  variant=KEYS + "model_no_ln_f", when=lambda inputs, expected, got: "has no parameter 'ln_f" in got.message),
        _wrong("ln_f before the blocks", "ln_f comes after the last block", MODEL, "model_ln_f_first"),
        _wrong("ln_f after every block", "ln_f comes once, after the last block", MODEL, "model_ln_f_after_every_block"),
        _error("head copied, not tied", "the head is wte.weight itself, not a tensor of its own that only began equal: "
               "F.linear(x, self.wte.weight)", HEAD, r"parameter of its own, '(lm_)?head"),
        _wrong("no head", "the hidden states (B, T, C) still have to be compared with every token's embedding: (B, T, V)", HEAD,
               "model_hidden_states"),
        _wrong("probabilities for logits", "return the logits: loss and sampling do the softmax", HEAD, "model_probabilities"),
        _wrong("only the last token", "every position predicts its next token: (B, T, V)", MODEL, "model_last_token_only"),
        _wrong("only the last token, without its axis", "every position predicts its next token: (B, T, V)", MODEL,
               "model_last_token_flat"),
        _wrong("the first block again and again", "each layer has its own block: for block in self.h", MODEL,
               "model_first_block_again"),
        _wrong("one block under many names", "ModuleList([Block(config)] * n) repeats one object: make a new Block for each "
               "layer", MODEL, "model_last_block_again"),
        _wrong("only the first block", "the stream runs through every block of self.h", MODEL, "model_first_block_only"),
        _wrong("every block starts from the embeddings", "hand the stream on: x = block(x)", MODEL,
               "model_every_block_from_start"),
        _wrong("positions from 1", "the first token stands at position 0", EMBEDDING, "model_positions_from_one"),
        _wrong("wpe[token_id]", "the second table is asked for the place of the token, not for the token", EMBEDDING,
               "model_positions_by_token"),
        _wrong("no positions", "without wpe a sentence is a bag of tokens", EMBEDDING, "model_no_positions"),
        _wrong("clipped beyond n_positions", "raise ValueError with both numbers instead", EMBEDDING, "model_clipped"),
        _wrong("wrapped beyond n_positions", "raise ValueError with both numbers instead", EMBEDDING, "model_wrapped"),
        _wrong("cropped beyond n_positions", "raise ValueError with both numbers instead, and let the caller crop", EMBEDDING,
               "model_cropped"),
        _wrong("embedding scaled by sqrt(C)", "the first Transformer did that, GPT-2 does not", EMBEDDING,
               "model_scaled_embedding"),
        Diagnosis("no error beyond n_positions", "the table wpe has no such row: test the length first and raise ValueError "
                  "with both numbers", EMBEDDING,
                  when=lambda inputs, expected, got: not expected.ok and not got.ok and "ValueError" not in got.error),
        NO_SUPER,
        NAMES,
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- next_token_loss ----------------------------------------------------------------------------------------------


def loss_args(B: int, T: int, V: int = 5, scale: float = 2.0):
    return lambda rng: args(normal(rng, B, T, V, scale=scale), rng.integers(0, V, (B, T)))


def easy_losses(rng: np.random.Generator):
    yield from (loss_args(B, T, V)(rng) for B, T, V in ((1, 2, 2), (1, 3, 2), (2, 2, 2)))


LOSS_CHECK = Check(
    piece="decoder.next_token_loss",
    section=LOSS,
    reference=KEYS + "next_token_loss",
    cases=(
        Case("two tokens", loss_args(B=1, T=2)),
        Case("one sequence", loss_args(B=1, T=6), smaller=easy_losses),
        Case("three sequences", loss_args(B=3, T=4, V=7), smaller=easy_losses),
        Case("huge logits", loss_args(B=2, T=5, scale=300), smaller=easy_losses),
    ),
    diagnoses=(
        _wrong("no shift", "position t predicts token t + 1: compare logits[:, :-1] with input_ids[:, 1:]. Without the "
               "shift the model learns to repeat", LOSS, "loss_no_shift"),
        _wrong("shifted twice", "one step is enough: logits[:, :-1] with input_ids[:, 1:]", LOSS, "loss_shifted_twice"),
        _wrong("shifted backwards", "position t predicts the token after it: logits[:, :-1] with input_ids[:, 1:], not the "
               "other way round", LOSS, "loss_shifted_backwards"),
        _wrong("sum instead of mean", "average over all predictions, so that the loss does not depend on the length", LOSS,
               "loss_sum"),
        _wrong("one loss a token", "return their mean, one number", LOSS, "loss_per_token"),
        Diagnosis("classes not on the second axis", "F.cross_entropy wants (N, V) and (N,), or (B, V, T) and (B, T): flatten "
                  "batch and time into one axis", LOSS, variant=KEYS + "loss_unflattened",
                  when=lambda inputs, expected, got: "Expected target size" in got.message),
        _wrong("softmax before cross_entropy", "F.cross_entropy takes logits, and does the softmax itself", LOSS,
               "loss_of_probabilities"),
        _wrong("the softmax overflows", "exp(100) is infinite in float32: use log_softmax or F.cross_entropy", LOSS,
               "loss_overflowing"),
        _wrong("logarithm of zero", "a probability can round to 0 and its logarithm is -inf: use log_softmax or "
               "F.cross_entropy", LOSS, "loss_log_of_zero"),
        _wrong("bits instead of nats", "use the natural logarithm", LOSS, "loss_in_bits"),
        _wrong("sign turned round", "the loss is minus the log-probability: never below 0", LOSS, "loss_positive"),
        _wrong("only the last prediction", "every position but the last has a next token: all of them count", LOSS,
               "loss_of_last_token"),
        _wrong("perplexity", "that is exp of the loss", LOSS, "loss_as_perplexity"),
        _wrong("logarithm of the mean", "average the log-probabilities, not the probabilities", LOSS, "loss_log_of_mean"),
        _wrong("divided by B * T", "there are only T - 1 predictions in a sequence of T tokens", LOSS, "loss_divided_by_all"),
        _wrong("divided by the sequences only", "average over the tokens too", LOSS, "loss_by_sequence"),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

# --- count_parameters ---------------------------------------------------------------------------------------------


@driver("decoder.count")
def _count(piece: Any, inputs: Any) -> Any:
    """Two layers, a LayerNorm, and where asked for a tied head and a buffer, which is no parameter."""
    from torch import nn, zeros

    V, C = inputs["V"], inputs["C"]
    model = nn.ModuleDict({"wte": nn.Embedding(V, C), "fc": nn.Linear(C, 2 * C), "ln_f": nn.LayerNorm(C)})
    if inputs["tied"]:
        model["lm_head"] = nn.Linear(C, V, bias=False)
        model["lm_head"].weight = model["wte"].weight
    if inputs["buffer"]:
        model["fc"].register_buffer("mask", zeros(C, C))
    return piece(model)


def count_case(V: int, C: int, tied: bool = False, buffer: bool = False):
    return lambda rng: {"V": V, "C": C, "tied": tied, "buffer": buffer}


COUNT_CHECK = Check(
    piece="decoder.count_parameters",
    section=COUNT,
    reference=FLOOR + "count_parameters",
    cases=(
        Case("matrices and vectors", count_case(V=7, C=4), driver="decoder.count", compare=exact()),
        Case("a tied head", count_case(V=9, C=4, tied=True), driver="decoder.count", compare=exact()),
        Case("a mask that is not learned", count_case(V=6, C=5, buffer=True), points=0.5, driver="decoder.count",
             compare=exact()),
    ),
    diagnoses=(
        _wrong("tied tensor counted twice", "the embedding wte and the head are one tensor: model.parameters() gives it "
               "once", COUNT, "count_tied_twice"),
        _wrong("everything in state_dict counted", "it has the tied tensor twice, and buffers, which are not learned: use "
               "model.parameters()", COUNT, "count_state_dict"),
        _wrong("buffers counted", "a mask is not learned: use model.parameters()", COUNT, "count_with_buffers"),
        _wrong("tensors counted, not their numbers", "add up p.numel()", COUNT, "count_tensors"),
        _wrong("biases and gains left out", "vectors are learned too", COUNT, "count_matrices"),
        _wrong("rows counted", "len(p) is the number of rows: add up p.numel()", COUNT, "count_rows"),
        _wrong("bytes counted", "a float32 has four bytes and is one parameter", COUNT, "count_bytes"),
        _wrong("parts inside not counted", "most parameters live in modules within modules: model.parameters() finds them "
               "all", COUNT, "count_top_only"),
        NOTHING_RETURNED,
    ),
)  # fmt: skip

CHECKS = (EMBED, LAYER_NORM, GELU, MLP, BLOCK_CHECK, MODEL_CHECK, LOSS_CHECK, COUNT_CHECK)
