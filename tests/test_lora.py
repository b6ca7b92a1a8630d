"""LoRA: starts as the base, learns only A and B, merges exactly once, and is kept in files that are whole or refused."""
import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.lora import LoRALinear, add_lora, load_adapter, lora_layers, lora_state_dict, merge_lora, save_adapter
from gpt2lab.sampling import generate
from gpt2lab.weights import from_pretrained, save_pretrained

SHAPE = dict(n_layer=2, n_head=4, n_embd=32, n_positions=24, vocab_size=61, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
IDS = torch.arange(44).view(2, 22) * 7 % 61
EVERY = ("c_attn", "c_proj", "c_fc")


@pytest.fixture
def model() -> GPT2:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(**SHAPE))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def trained(model: GPT2, **lora) -> GPT2:
    """The model with LoRA layers that change something."""
    add_lora(model, **lora)
    with torch.no_grad():
        for layer in lora_layers(model).values():
            layer.lora_B.normal_(std=0.3)
    return model


@torch.no_grad()
def logits(model: GPT2) -> torch.Tensor:
    return model(IDS).logits


# ---------------------------------------------------------------- one layer

@pytest.mark.parametrize(("r", "alpha", "bias"), [(1, 1, True), (4, 8, True), (3, 7.5, False), (5, 2, True)])
def test_a_layer_is_the_formula(r, alpha, bias):
    torch.manual_seed(0)
    base = nn.Linear(7, 5, bias=bias)
    layer = LoRALinear(base, r, alpha)
    nn.init.normal_(layer.lora_B)
    x = torch.randn(2, 3, 7)
    weight = base.weight + alpha / r * layer.lora_B @ layer.lora_A
    torch.testing.assert_close(layer(x), nn.functional.linear(x, weight, base.bias))
    torch.testing.assert_close(layer.delta(), weight - base.weight)
    merged = layer.merged()
    assert type(merged) is nn.Linear and (merged.bias is None) == (not bias)
    torch.testing.assert_close(merged.weight, weight)
    torch.testing.assert_close(layer.merged().weight, weight)          # the layer itself was not changed by it


def test_a_layer_starts_as_its_base_and_only_a_and_b_learn():
    base = nn.Linear(6, 9)
    layer = LoRALinear(base, r=2, alpha=4)
    assert not layer.lora_B.any() and layer.lora_A.any() and layer.lora_A.std() > 0.05
    assert (layer.lora_A.shape, layer.lora_B.shape, layer.scaling) == ((2, 6), (9, 2), 2.0)
    x = torch.randn(3, 6)
    torch.testing.assert_close(layer(x), base(x), rtol=0, atol=0)
    layer(x).square().sum().backward()
    assert {name for name, p in layer.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}
    assert base.weight.grad is None and base.bias.grad is None
    assert layer.lora_B.grad.any() and not layer.lora_A.grad.any()     # A waits for B: its gradient goes through B


def test_dropout_acts_in_training_only():
    layer = LoRALinear(nn.Linear(50, 4), r=4, alpha=4, dropout=0.5)
    nn.init.normal_(layer.lora_B)
    x = torch.ones(1, 50)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_beside_a_base_in_half_precision_the_change_is_float32(dtype):
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(16, 8).to(dtype), r=4, alpha=8)
    nn.init.normal_(layer.lora_B, std=0.1)
    x = torch.randn(3, 16, dtype=dtype)
    assert layer.lora_A.dtype == torch.float32 and layer(x).dtype == dtype and layer.merged().weight.dtype == dtype
    torch.testing.assert_close(layer(x).float(), layer.merged()(x).float(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("wrong", "says"), [(dict(r=0), "r=0"), (dict(r=-2), "r=-2"), (dict(r=2.0), "r=2.0"), (dict(r=True), "r=True"),
                                             (dict(r=6), "rank from 1 to 5"), (dict(alpha=0), "alpha=0"), (dict(alpha=float("nan")), "alpha=nan"),
                                             (dict(dropout=1.0), "dropout=1.0"), (dict(dropout=-0.1), "dropout=-0.1")])
def test_a_layer_refuses_what_makes_no_sense(wrong, says):
    base = nn.Linear(7, 5)
    with pytest.raises(ValueError, match=says):
        LoRALinear(base, **{"r": 2, "alpha": 4, **wrong})
    assert base.weight.requires_grad


# ---------------------------------------------------------------- a model

def test_a_model_with_lora_says_the_same_until_it_learns(model):
    before = logits(model)
    assert add_lora(model, target_modules=EVERY) is model
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)
    assert len(lora_layers(model)) == 4 * SHAPE["n_layer"] and not any(m.training for m in model.modules())
    learn = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learn == set(lora_state_dict(model)) and len(learn) == 2 * 4 * SHAPE["n_layer"]


def test_a_step_changes_nothing_but_a_and_b(model):
    add_lora(model, r=2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)          # all of them: the frozen have no gradient
    for _ in range(2):                                                 # in the first step A's gradient is zero
        model(IDS).logits.logsumexp(-1).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == set(lora_state_dict(model))


@pytest.mark.parametrize("targets", [("c_attn",), EVERY, ("mlp.c_proj", "c_fc")])
def test_merged_equals_unmerged(model, targets):
    trained(model, r=4, alpha=8, target_modules=targets)
    apart = logits(model)
    assert merge_lora(model) is model and not lora_layers(model)
    assert (logits(model) - apart).abs().max() <= 1e-5 * apart.abs().max()
    assert all(p.requires_grad for p in model.parameters())


def test_merging_twice_is_refused_and_changes_nothing(model):
    merge_lora(trained(model))
    before = logits(model)
    with pytest.raises(ValueError, match="no LoRA layers"):
        merge_lora(model)
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)


def test_a_merged_model_is_an_ordinary_one(model, tmp_path):
    merge_lora(trained(model))
    save_pretrained(model, tmp_path)
    torch.testing.assert_close(logits(from_pretrained(tmp_path)), logits(model))
    assert len(lora_layers(add_lora(model))) == 2                      # and can be fine-tuned once more


def test_it_writes_text_with_its_cache(model):
    trained(model)
    written = generate(model, IDS[:1, :4], max_new_tokens=6)
    torch.testing.assert_close(generate(merge_lora(model), IDS[:1, :4], max_new_tokens=6), written)


def test_trainable_parameters_at_the_124m_shape():
    with torch.device("meta"):
        model = add_lora(GPT2(GPT2Config.named("gpt2")))
    learn = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learn == 12 * 8 * (768 + 3 * 768) == 294_912                # 12 layers, rank 8, into and out of c_attn
    assert sum(p.numel() for p in model.parameters()) - learn == 124_439_808


@pytest.mark.parametrize(("targets", "layers"), [(("c_proj",), 4), (("mlp.c_proj",), 2), (("h.1.attn.c_attn",), 1), (["c_fc", "c_attn"], 4)])
def test_targets_are_ends_of_names(model, targets, layers):
    assert len(lora_layers(add_lora(model, target_modules=targets))) == layers


@pytest.mark.parametrize(("wrong", "says"), [
    (dict(target_modules=("c_attn", "q_proj")), "no Linear is called q_proj: this model has c_attn, c_fc, c_proj"),
    (dict(target_modules=("ttn",)), "called ttn"), (dict(target_modules=("wte",)), "called wte"), (dict(target_modules=()), "called nothing"),
    (dict(target_modules="c_attn"), r"pass names in a tuple, \('c_attn',\)"), (dict(r=33), "rank from 1 to 32"),
    (dict(alpha=-1), "alpha=-1"), (dict(dropout=2), "dropout=2")])
def test_what_cannot_be_added_changes_nothing(model, wrong, says):
    before = logits(model)
    with pytest.raises(ValueError, match=says):
        add_lora(model, **wrong)
    assert not lora_layers(model) and all(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)


def test_a_rank_too_large_for_one_layer_only_changes_nothing(model):
    model.h[1].mlp.c_proj = nn.Linear(128, 4)                          # found last
    with pytest.raises(ValueError, match="rank from 1 to 4"):
        add_lora(model, r=8, target_modules=EVERY)
    assert not lora_layers(model) and all(p.requires_grad for p in model.parameters())


def test_adding_twice_is_refused(model):
    trained(model)
    before = logits(model)
    with pytest.raises(ValueError, match="LoRA layers already"):
        add_lora(model, target_modules=("c_fc",))
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)


@pytest.mark.parametrize("call", [merge_lora, lora_state_dict, lambda model: save_adapter(model, "nowhere")])
def test_without_lora_there_is_nothing_to_save(model, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no LoRA layers"):
        call(model)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- files

@pytest.fixture
def saved(model, tmp_path):
    """(a base model, the same with LoRA, the folder of its adapter)."""
    base = copy.deepcopy(model)
    trained(model, r=4, alpha=6, target_modules=("c_attn", "mlp.c_proj"), dropout=0.1)
    save_adapter(model, tmp_path, "some/model")
    return base, model, tmp_path


def test_an_adapter_comes_back(saved):
    base, model, folder = saved
    assert load_adapter(base, folder) is base
    torch.testing.assert_close(logits(base), logits(model), rtol=0, atol=0)
    assert {n for n, p in base.named_parameters() if p.requires_grad} == set(lora_state_dict(model))
    assert {layer.dropout.p for layer in lora_layers(base).values()} == {0.1} and not any(m.training for m in base.modules())


def test_an_adapter_is_small_and_says_what_it_belongs_to(saved):
    _, model, folder = saved
    assert sorted(p.name for p in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    stored = load_file(folder / "adapter_model.safetensors")
    assert sum(t.numel() for t in stored.values()) == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert all(name.startswith("base_model.model.transformer.h.") for name in stored)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 6, "some/model")
    assert config["target_modules"] == ["attn.c_attn", "mlp.c_proj"] and config["fan_in_fan_out"] is True


def test_an_adapter_replaces_the_numbers_of_the_same_layers(saved):
    base, model, folder = saved
    add_lora(base, r=4, alpha=6, target_modules=("c_attn", "mlp.c_proj"))
    parameters = list(base.parameters())
    load_adapter(base, folder)
    torch.testing.assert_close(logits(base), logits(model), rtol=0, atol=0)
    assert all(a is b for a, b in zip(parameters, base.parameters()))          # an optimizer goes on with them


@pytest.mark.parametrize("other", [dict(r=3, alpha=6), dict(r=4, alpha=7), dict(r=4, alpha=6, target_modules=("c_fc",)),
                                   dict(r=4, alpha=6, target_modules=EVERY)])
def test_other_lora_layers_are_not_overwritten(saved, other):
    base, _, folder = saved
    trained(base, **{"target_modules": ("c_attn", "mlp.c_proj"), **other})
    before = logits(base)
    with pytest.raises(ValueError, match="merge_lora"):
        load_adapter(base, folder)
    torch.testing.assert_close(logits(base), before, rtol=0, atol=0)


def change_config(**fields):
    def change(folder):
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return change


def change_state(change):
    def all_of_it(folder):
        state = load_file(folder / "adapter_model.safetensors")
        change(state)
        save_file(state, folder / "adapter_model.safetensors")
    return all_of_it


def rename(before, after):
    def change(state):
        for name in [name for name in state if before in name]:
            state[name.replace(before, after)] = state.pop(name)
    return change_state(change)


A = "base_model.model.transformer.h.1.mlp.c_proj.lora_A.weight"
DAMAGE = {
    "config gone": (lambda f: (f / "adapter_config.json").unlink(), FileNotFoundError, "adapter_config.json does not exist"),
    "weights gone": (lambda f: (f / "adapter_model.safetensors").unlink(), FileNotFoundError, "adapter_model.safetensors does not exist"),
    "config cut": (lambda f: (f / "adapter_config.json").write_text('{"r": 4,'), ValueError, "no adapter's config"),
    "config of a list": (lambda f: (f / "adapter_config.json").write_text("[]"), ValueError, "no adapter's config"),
    "another method": (change_config(peft_type="IA3"), ValueError, "peft_type='IA3'"),
    "dora": (change_config(use_dora=True), ValueError, "use_dora"),
    "rslora": (change_config(use_rslora=True), ValueError, "use_rslora"),
    "ranks of their own": (change_config(rank_pattern={"c_attn": 2}), ValueError, "rank_pattern"),
    "a base that was changed": (change_config(init_lora_weights="pissa"), ValueError, "pissa"),
    "biases": (change_config(bias="all"), ValueError, "bias"),
    "r is a word": (change_config(r="four"), ValueError, "r=four"),
    "another r": (change_config(r=5), ValueError, "with r=5 needs"),
    "alpha zero": (change_config(lora_alpha=0), ValueError, "alpha=0"),
    "alpha is a word": (change_config(lora_alpha="six"), ValueError, "no adapter's config"),
    "half a pair": (change_state(lambda s: s.pop(A)), ValueError, "needs .*lora_A"),
    "another shape": (change_state(lambda s: s.update({A: torch.zeros(4, 31)})), ValueError, "h.1.mlp.c_proj with r=4 needs"),
    "a layer too far": (rename("h.1.mlp", "h.2.mlp"), ValueError, "no Linear called 'h.2.mlp.c_proj'"),
    "a name unknown": (rename("h.1.mlp.c_proj", "h.1.mlp.down"), ValueError, "no Linear called 'h.1.mlp.down'"),
    "not a Linear": (rename("h.1.mlp.c_proj", "h.1.mlp"), ValueError, "no Linear called 'h.1.mlp'"),
    "something else": (change_state(lambda s: s.update({"transformer.wte.weight": torch.ones(2)})), ValueError, "only lora_A and lora_B"),
    "not a number": (change_state(lambda s: s[A].fill_(float("nan"))), ValueError, "finite"),
    "integers": (change_state(lambda s: s.update({A: s[A].long()})), ValueError, "finite"),
    "empty": (change_state(lambda s: s.clear()), ValueError, "has 0 layers"),
    "cut short": (lambda f: (f / "adapter_model.safetensors").write_bytes((f / "adapter_model.safetensors").read_bytes()[:-9]),
                  ValueError, "no whole safetensors file"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_does_not_fit_is_refused_and_changes_nothing(saved, name):
    base, _, folder = saved
    damage, kind, says = DAMAGE[name]
    damage(folder)
    before = logits(base)
    with pytest.raises(kind, match=says):
        load_adapter(base, folder)
    assert not lora_layers(base) and all(p.requires_grad for p in base.parameters())
    torch.testing.assert_close(logits(base), before, rtol=0, atol=0)


def test_an_adapter_of_another_model_is_refused(saved):
    _, _, folder = saved
    other = GPT2(GPT2Config(**{**SHAPE, "n_embd": 48}))
    with pytest.raises(ValueError, match="belongs to another model"):
        load_adapter(other, folder)
    deeper = GPT2(GPT2Config(**{**SHAPE, "n_layer": 1}))
    with pytest.raises(ValueError, match="no Linear called 'h.1"):
        load_adapter(deeper, folder)
    assert not lora_layers(other) and not lora_layers(deeper)


def test_single_layers_are_named_in_full(model, tmp_path):
    base = copy.deepcopy(model)
    trained(model, target_modules=("h.1.attn.c_attn",))
    save_adapter(model, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == ["h.1.attn.c_attn"]
    torch.testing.assert_close(logits(load_adapter(base, tmp_path)), logits(model), rtol=0, atol=0)
