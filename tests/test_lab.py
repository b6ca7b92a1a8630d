"""The lab: one call opens a model on a device; it completes, streams and shows what it saw."""
import pytest
import torch

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.lab import Lab, open_lab
from gpt2lab.sampling import generate, stream
from gpt2lab.tokenizer import train_bpe
from gpt2lab.weights import save_pretrained

PROMPT = "The function returns"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return open_lab("mini", "cpu")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A directory with a model of 16 positions and its tokenizer."""
    directory = tmp_path_factory.mktemp("small")
    tokenizer = train_bpe(["small words make small models, small models make words"], 270)
    tokenizer.save(directory)
    torch.manual_seed(0)
    save_pretrained(GPT2(GPT2Config(n_layer=2, n_head=2, n_embd=8, n_positions=16, vocab_size=tokenizer.n_vocab)), directory)
    return directory


def test_one_line_says_which_model_runs_where(capsys, monkeypatch):
    monkeypatch.delenv("GPT2LAB_MODEL", raising=False)
    opened = open_lab(device="cpu")
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "mini" in line and "CPU" in line
    assert opened.model_name == "mini" and opened.device.type == "cpu" and not opened.model.training


def test_the_environment_chooses_model_and_device(small, monkeypatch):
    monkeypatch.setenv("GPT2LAB_MODEL", str(small))
    monkeypatch.setenv("GPT2LAB_DEVICE", "cpu")
    assert open_lab().model.config.n_positions == 16
    assert open_lab("mini").model.config.n_positions == 512, "an argument wins over the environment"


def test_the_device_of_the_environment_is_used_not_a_guess(monkeypatch):
    monkeypatch.setenv("GPT2LAB_DEVICE", "no-such-device")
    with pytest.raises(ValueError, match="no-such-device"):
        open_lab("mini")


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="cuda.*this machine has cpu"):
        open_lab("mini", "cuda")


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match="gpt3.*mini.*gpt2-xl.*directory"):
        open_lab("gpt3")


def test_a_model_that_was_not_fetched_says_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="gpt2lab download gpt2-medium"):
        open_lab("gpt2-medium")


def test_greedy_completion_is_the_same_each_time_and_begins_with_the_prompt(lab):
    first = lab.complete(PROMPT, max_new_tokens=20)
    assert first == lab.complete(PROMPT, max_new_tokens=20)
    assert first.startswith(PROMPT) and len(first) > len(PROMPT)


def test_the_seed_decides_a_draw_whatever_was_drawn_before(lab):
    draws = []
    for seed in (0, 0, 1, 2):
        torch.rand(7)                                                   # somebody else uses torch's own generator
        draws.append(list(lab.stream(PROMPT, 20, temperature=1.0, seed=seed)))
    assert draws[0] == draws[1]
    assert len({tuple(d) for d in draws}) == 3


def test_drawing_does_not_touch_torchs_generator(lab):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    lab.complete(PROMPT, 3, temperature=1.0)
    assert torch.rand(1) == expected


def test_a_tiny_temperature_and_one_choice_are_greedy(lab):
    greedy = list(lab.stream(PROMPT, 12))
    assert list(lab.stream(PROMPT, 12, temperature=1e-4)) == greedy
    assert list(lab.stream(PROMPT, 12, temperature=1.0, top_k=1, seed=3)) == greedy


def test_draws_follow_the_tempered_probabilities(lab):
    """150 first tokens: the frequency of each common token lies within 4 standard errors of its probability."""
    probabilities = (lab.model(lab.encode(PROMPT)).logits[0, -1] / 0.5).softmax(-1)
    drawn = torch.tensor([next(lab.stream(PROMPT, 1, temperature=0.5, seed=s), lab.tokenizer.eot_token) for s in range(150)])
    for token in probabilities.topk(3).indices:
        p = probabilities[token].item()
        assert abs((drawn == token).float().mean().item() - p) < 4 * (p * (1 - p) / 150) ** 0.5 + 1e-6


def test_top_k_draws_from_the_k_likeliest_only(lab):
    likeliest = set(lab.model(lab.encode(PROMPT)).logits[0, -1].topk(5).indices.tolist())
    drawn = {next(lab.stream(PROMPT, 1, temperature=50.0, top_k=5, seed=s), lab.tokenizer.eot_token) for s in range(60)}
    assert drawn <= likeliest and len(drawn) > 1


@pytest.mark.parametrize("options, names", [({"temperature": -0.5}, "-0.5"), ({"temperature": 1.0, "top_k": 0}, "top_k=0"),
                                            ({"max_new_tokens": -3}, "-3")])
def test_options_without_sense_are_refused(lab, options, names):
    with pytest.raises(ValueError, match=names):
        lab.complete(PROMPT, **options)


def test_streaming_yields_what_complete_writes(lab):
    ids = list(lab.stream(PROMPT, 15))
    assert PROMPT + lab.tokenizer.decode(ids) == lab.complete(PROMPT, 15)


def test_a_stream_gives_its_first_token_before_the_last_is_computed(lab, monkeypatch):
    calls = []
    forward = type(lab.model).forward
    monkeypatch.setattr(type(lab.model), "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    next(lab.stream(PROMPT, 30))
    assert len(calls) == 1


@torch.inference_mode()
def test_with_the_cache_as_without(lab):
    ids, expected = lab.encode(PROMPT), []
    for _ in range(25):
        token = int(lab.model(ids).logits[0, -1].argmax())
        if token == lab.tokenizer.eot_token:
            break
        expected.append(token)
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    assert list(lab.stream(PROMPT, 25)) == expected


def test_a_special_token_in_the_prompt_is_plain_text_not_a_command(lab):
    ids = lab.encode("<|endoftext|>")
    assert lab.tokenizer.eot_token not in ids and lab.tokenizer.decode(ids[0].tolist()) == "<|endoftext|>"


def test_an_empty_prompt_starts_a_document(lab):
    assert lab.encode("").tolist() == [[lab.tokenizer.eot_token]]
    assert lab.complete("", 10) == lab.tokenizer.decode(list(lab.stream("", 10)))


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(small):
    with pytest.raises(ValueError, match="20 tokens.*16 positions"):
        open_lab(str(small), "cpu").complete("!" * 20)


def test_writing_goes_on_past_the_last_position_as_sampling_does(small):
    lab = open_lab(str(small), "cpu")
    for length in (10, 16):
        ids = lab.encode("!" * length)
        written = list(lab.stream("!" * length, 30))
        assert length + len(written) > 16 and written == generate(lab.model, ids, max_new_tokens=len(written))[0, length:].tolist()


def test_every_setting_of_sampling_is_passed_on(lab):
    ids, settings = lab.encode(PROMPT), {"temperature": 1.3, "top_k": 20, "top_p": 0.7, "repetition_penalty": 1.4}
    expected = stream(lab.model, ids, max_new_tokens=20, do_sample=True, generator=torch.Generator().manual_seed(5), **settings)
    assert list(lab.stream(PROMPT, 20, seed=5, **settings)) == [i for i in expected if i != lab.tokenizer.eot_token]
    assert len({lab.complete(PROMPT, 20, seed=5, **{**settings, name: value}) for name, value in
                {"top_p": 0.7, "top_k": None, "repetition_penalty": 1.0, "temperature": 0.4}.items()}) == 4


def test_look_gives_every_attention_and_hidden_state(lab):
    seen, config = lab.look("the list is empty, the list is new"), lab.model.config
    T = seen.input_ids.shape[1]
    assert seen.input_ids.shape == (1, T) and len(seen.tokens) == T and "".join(seen.tokens) == "the list is empty, the list is new"
    assert [tuple(a.shape) for a in seen.attentions] == [(config.n_head, T, T)] * config.n_layer
    assert [tuple(h.shape) for h in seen.hidden_states] == [(T, config.n_embd)] * (config.n_layer + 1)
    assert seen.logits.shape == (T, config.vocab_size)
    for attention in seen.attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones(config.n_head, T))
        assert not attention.triu(1).any()


@torch.inference_mode()
def test_look_sees_what_the_model_computes(lab):
    seen = lab.look(PROMPT)
    torch.testing.assert_close(seen.logits, lab.model(lab.encode(PROMPT)).logits[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen.hidden_states[-1] @ lab.model.wte.weight.T, seen.logits, rtol=1e-4, atol=1e-4)
