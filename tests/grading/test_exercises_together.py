"""The pieces of exercises 01 to 03 fit together: a learner's own tokenizer, attention and decoder are a working GPT-2."""

from pathlib import Path

import nbformat
import pytest
import torch

import gpt2lab.decoder
import gpt2lab.tokenizer

SOLUTIONS = Path(__file__).parents[2] / "solutions"
TEXT = "She sells sea shells by the sea shore; the shells she sells are sea shells. 🐚 Don't!"


def pieces_of(name: str) -> dict:
    """What the solved exercise defines: its cells run in order, without the checks."""
    names: dict = {}
    for cell in nbformat.read(SOLUTIONS / name / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and not cell.metadata.nbgrader.grade:
            exec(compile(cell.source, cell.id, "exec"), names)  # noqa: S102  (the course's own notebook)
    return names


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
