"""The pieces of exercises 01 to 05 fit together: a learner's own tokenizer, attention, decoder, loader and sampler are a working GPT-2."""

import re
from pathlib import Path

import nbformat
import pytest
import torch

import gpt2lab.attention
import gpt2lab.decoder
import gpt2lab.sampling
import gpt2lab.tokenizer
import gpt2lab.weights

SOLUTIONS = Path(__file__).parents[2] / "solutions"
TEXT = "She sells sea shells by the sea shore; the shells she sells are sea shells. 🐚 Don't!"


def pieces_of(name: str) -> dict:
    """What the solved exercise defines: its cells run in order, without the checks."""
    names: dict = {}
    for cell in nbformat.read(SOLUTIONS / name / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and not cell.metadata.nbgrader.grade:
            exec(compile(cell.source, cell.id, "exec"), names)  # noqa: S102  (the course's own notebook)
    return names


def run_last_cell(name: str, pieces: dict) -> None:
    """The code that the exercise's last cell offers for pasting, run behind the solved pieces."""
    cell = nbformat.read(SOLUTIONS / name / f"{name}.ipynb", as_version=4).cells[-1]
    names = dict(pieces)
    for block in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL):
        exec(compile(block, cell.id, "exec"), names)  # noqa: S102  (the course's own notebook)


@pytest.fixture(scope="module")
def tokenizer_pieces():
    return pieces_of("01_tokenizer")


@pytest.fixture(scope="module")
def attention_pieces():
    return pieces_of("02_attention")


@pytest.fixture(scope="module")
def decoder_pieces(attention_pieces):
    """Exercise 03 on the attention of exercise 02."""
    pieces = pieces_of("03_decoder")
    pieces["CausalSelfAttention"] = attention_pieces["CausalSelfAttention"]
    return pieces


@pytest.fixture(scope="module")
def weights_pieces():
    return pieces_of("04_weights")


@pytest.fixture(scope="module")
def sampling_pieces():
    return pieces_of("05_sampling")


def own_vocabulary(pieces: dict) -> tuple[dict, list]:
    merges = pieces["train_merges"]([TEXT], 40)
    return dict(enumerate([bytes([b]) for b in range(256)] + [a + b for a, b in merges])), merges


def test_tokenizer_pieces_agree_with_the_package(tokenizer_pieces):
    vocab, merges = own_vocabulary(tokenizer_pieces)
    special = {"<|endoftext|>": len(vocab)}
    theirs = gpt2lab.tokenizer.Tokenizer(vocab, merges, special)
    text = TEXT + "<|endoftext|> new words, ünseen"
    ids = tokenizer_pieces["encode"](text, vocab, merges, special, {"<|endoftext|>"})
    assert ids == theirs.encode(text, allowed_special="all")
    assert tokenizer_pieces["decode"](ids, vocab, special) == text
    assert list(gpt2lab.tokenizer.train_bpe([TEXT], 256 + 1 + 40).merges) == merges


def test_decoder_on_own_attention_gives_the_package_logits(decoder_pieces):
    """The same names of parameters, so the package's weights load as they are; the same logits."""
    config = gpt2lab.decoder.GPT2Config(n_layer=3, n_head=4, n_embd=32, n_positions=24, vocab_size=50, initializer_range=0.2)
    torch.manual_seed(0)
    theirs = gpt2lab.decoder.GPT2(config).eval()
    mine = decoder_pieces["GPT2"](config).eval()
    mine.load_state_dict(theirs.state_dict())
    assert type(mine.h[0].attn).__module__ != "gpt2lab.attention"
    ids = torch.randint(50, (2, 24))
    with torch.no_grad():
        torch.testing.assert_close(mine(ids), theirs(ids).logits, rtol=1e-5, atol=1e-5)
    assert decoder_pieces["count_parameters"](mine) == gpt2lab.decoder.count_parameters(theirs)


def test_pieces_train_on_own_tokens(tokenizer_pieces, decoder_pieces):
    """Text to ids to logits to a loss that goes down: gradients reach every parameter."""
    vocab, merges = own_vocabulary(tokenizer_pieces)
    ids = torch.tensor([tokenizer_pieces["encode"](TEXT, vocab, merges, {})])
    config = gpt2lab.decoder.GPT2Config(n_layer=1, n_head=2, n_embd=16, n_positions=64, vocab_size=len(vocab), resid_pdrop=0.0,
                                        attn_pdrop=0.0, embd_pdrop=0.0)  # fmt: skip
    torch.manual_seed(0)
    model = decoder_pieces["GPT2"](config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        loss = decoder_pieces["next_token_loss"](model(ids), ids)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def stored_in(path: Path, pieces: dict) -> dict[str, torch.Tensor]:
    """A safetensors file, read with the learner's header."""
    data = path.read_bytes()
    return {
        name: torch.frombuffer(bytearray(data[begin:end]), dtype=KINDS[kind]).view(shape).float()
        for name, (kind, shape, begin, end) in pieces["read_safetensors_header"](data).items()
    }


@pytest.mark.parametrize("dtype", KINDS.values(), ids=str)
def test_own_loader_on_own_decoder_gives_the_package_logits(weights_pieces, decoder_pieces, tmp_path, dtype):
    """A file written by the package, read by pieces 04 into the model of pieces 02 and 03."""
    config = gpt2lab.decoder.GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=12, vocab_size=40, initializer_range=0.3)
    torch.manual_seed(0)
    gpt2lab.weights.save_pretrained(gpt2lab.decoder.GPT2(config), tmp_path, dtype=dtype)
    theirs = gpt2lab.weights.from_pretrained(tmp_path)
    mine = decoder_pieces["GPT2"](config).eval()
    weights_pieces["load_weights"](mine, stored_in(tmp_path / "model.safetensors", weights_pieces))
    ids = torch.randint(40, (2, 12))
    with torch.no_grad():
        torch.testing.assert_close(mine(ids), theirs(ids).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("piece", ["map_name", "conv1d_to_linear"])
def test_names_and_matrices_as_in_the_package(weights_pieces, piece):
    """On every name that a Hugging Face file and an older one have."""
    config = gpt2lab.decoder.GPT2Config(n_layer=11, n_head=2, n_embd=4, n_positions=6, vocab_size=9)
    shapes = {name: tensor.shape for name, tensor in gpt2lab.decoder.GPT2(config).state_dict().items()}
    names = [*shapes, "lm_head.weight", "score.weight", "h.10.attn.bias", "h.0.attn.masked_bias"]
    mine, theirs = weights_pieces[piece], getattr(gpt2lab.weights, piece)
    if piece == "map_name":
        assert [mine(prefix + name) for prefix in ("", "transformer.") for name in names] == [
            theirs(prefix + name) for prefix in ("", "transformer.") for name in names
        ]
    else:
        for name, shape in shapes.items():
            tensor = torch.randn(*shape)
            assert mine(name, tensor).equal(theirs(name, tensor)), name


def test_filters_and_penalty_as_in_the_package(sampling_pieces):
    torch.manual_seed(0)
    mine, theirs = sampling_pieces, gpt2lab.sampling
    logits, prev_ids = 3 * torch.randn(4, 50), torch.randint(50, (4, 20))
    for penalty in (0.7, 1.0, 1.3):
        torch.testing.assert_close(
            mine["apply_repetition_penalty"](logits, prev_ids, penalty),
            theirs.apply_repetition_penalty(logits, prev_ids, penalty),
        )
    for top_p in (0.0, 0.2, 0.55, 0.9):
        assert mine["top_p_filter"](logits, top_p).equal(theirs.top_p_filter(logits, top_p)), top_p
    for temperature, top_k, top_p in ((1.0, None, None), (0.6, 7, None), (1.7, None, 0.8), (2.2, 12, 0.7), (1.0, 99, 0.3)):
        torch.testing.assert_close(
            mine["next_token_probs"](logits, temperature, top_k, top_p),
            theirs.next_token_probs(logits, temperature, top_k, top_p),
        )
    for temperature in (0, 0.3, 1.0, 4.0):
        torch.testing.assert_close(
            mine["temperature_probs"](logits, temperature), theirs.apply_temperature(logits, temperature).softmax(-1)
        )


def test_positions_and_beams_as_in_the_package(sampling_pieces):
    torch.manual_seed(0)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    assert sampling_pieces["left_pad_positions"](mask).equal(gpt2lab.decoder.left_pad_positions(mask))
    for K in (1, 3, 5):
        scores, log_probs = -torch.rand(K), torch.randn(K, 11).log_softmax(-1)
        *mine, finished = sampling_pieces["beam_step"](scores, log_probs, 4)
        for a, b in zip(mine, gpt2lab.sampling.beam_step(scores, log_probs, 4), strict=True):
            torch.testing.assert_close(a, b)
        assert finished == []


@pytest.mark.parametrize("seed", [4, 7, 9, 22, 58])  # here the rules about ends matter: each, broken, fails one of these
def test_own_beam_search_is_the_package_beam_search(sampling_pieces, seed):
    """beam_step inside a plain loop over whole texts finds the same texts with the same scores; some end on the way."""
    config = gpt2lab.decoder.GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=32, vocab_size=9, initializer_range=0.5)
    torch.manual_seed(seed)
    model = gpt2lab.decoder.GPT2(config).eval()
    prompt, eos, K, new = [1, 2, 3], 4, 4, 7
    texts, scores, found = [prompt], torch.zeros(1), []  # found: (mean log-probability, new tokens)
    with torch.no_grad():
        for step in range(1, new + 1):
            log_probs = model(torch.tensor(texts)).logits[:, -1].log_softmax(-1)
            scores, beams, tokens, finished = sampling_pieces["beam_step"](scores, log_probs, K, eos)
            found += [(score / step, [*texts[beam][len(prompt) :], eos]) for score, beam in finished]
            texts = [[*texts[beam], token] for beam, token in zip(beams.tolist(), tokens.tolist(), strict=True)]
    found += [(score / new, text[len(prompt) :]) for score, text in zip(scores.tolist(), texts, strict=True)]
    theirs = gpt2lab.sampling.beam_search(
        model, torch.tensor([prompt]), K, max_new_tokens=new, eos_token_id=eos, pad_token_id=0, early_stopping="never"
    ).hypotheses[0]
    best = sorted(found, reverse=True)[: len(theirs)]
    assert [list(hypothesis.ids) for hypothesis in theirs] == [ids for _, ids in best]
    assert [hypothesis.score for hypothesis in theirs] == pytest.approx([score for score, _ in best], abs=1e-5)


def test_own_cache_follows_the_beams(sampling_pieces):
    """Keys and values grown step by step, rows exchanged on the way, are those of the texts written out."""
    torch.manual_seed(0)
    attention = (
        gpt2lab.decoder.GPT2(gpt2lab.decoder.GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=8, vocab_size=9)).h[0].attn
    )
    x = torch.randn(9, 8)  # a vector for each token

    def keys_and_values(ids: list[list[int]]) -> tuple[torch.Tensor, ...]:
        return tuple(gpt2lab.attention.split_heads(part, 2) for part in attention.c_attn(x[torch.tensor(ids)]).chunk(3, -1)[1:])

    texts, past = [[1, 2], [3, 4], [5, 6]], None
    past = sampling_pieces["cache_step"](None, *keys_and_values(texts))
    for beams, tokens in (([2, 0, 0], [7, 8, 1]), ([1, 1, 2], [3, 4, 5])):
        texts = [[*texts[beam], token] for beam, token in zip(beams, tokens, strict=True)]
        past = sampling_pieces["cache_step"](past, *keys_and_values([[t] for t in tokens]), torch.tensor(beams))
    for mine, written_out in zip(past, keys_and_values(texts), strict=True):
        torch.testing.assert_close(mine, written_out)
