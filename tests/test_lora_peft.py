"""Our adapters in peft over transformers' GPT-2, and peft's in ours: equal logits both ways."""
import pytest
import torch
import transformers

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.lora import add_lora, load_adapter, lora_layers, merge_lora, save_adapter
from gpt2lab.weights import from_pretrained, save_pretrained

peft = pytest.importorskip("peft", reason="peft is not installed: pip install -e '.[dev]'")

SHAPE = dict(n_layer=2, n_head=4, n_embd=32, n_positions=24, vocab_size=61)
IDS = torch.arange(44).view(2, 22) * 7 % 61
TARGETS = [("c_attn",), ("c_attn", "c_proj", "c_fc"), ("mlp.c_proj",), ("h.1.attn.c_attn", "h.0.mlp.c_fc")]


@pytest.fixture
def folder(tmp_path):
    """A GPT-2 of ours, saved, with gains that are not 1 and biases that are not 0."""
    torch.manual_seed(0)
    model = GPT2(GPT2Config(**SHAPE))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    save_pretrained(model, tmp_path / "base")
    return tmp_path


def theirs(folder) -> torch.nn.Module:
    return transformers.GPT2LMHeadModel.from_pretrained(folder / "base").eval()


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model.eval()


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("targets", TARGETS, ids=str)
@torch.no_grad()
def test_peft_reads_ours(folder, targets):
    ours = from_pretrained(folder / "base")
    plain = ours(IDS).logits
    shaken(add_lora(ours, r=4, alpha=6, target_modules=targets))
    save_adapter(ours, folder / "adapter")
    model = peft.PeftModel.from_pretrained(theirs(folder), str(folder / "adapter")).eval()
    assert (ours(IDS).logits - plain).abs().max() > 0.1                # or equal logits would say nothing
    close(model(IDS).logits, ours(IDS).logits)
    close(model.merge_and_unload()(IDS).logits, merge_lora(ours)(IDS).logits)


@pytest.mark.parametrize("targets", TARGETS, ids=str)
@torch.no_grad()
def test_ours_reads_pefts(folder, targets):
    config = peft.LoraConfig(r=3, lora_alpha=12, target_modules=list(targets), fan_in_fan_out=True, task_type="CAUSAL_LM")
    model = shaken(peft.get_peft_model(theirs(folder), config))
    model.save_pretrained(folder / "adapter")
    ours = load_adapter(from_pretrained(folder / "base"), folder / "adapter")
    assert {layer.scaling for layer in lora_layers(ours).values()} == {4.0}
    close(ours(IDS).logits, model(IDS).logits)


@torch.no_grad()
def test_there_and_back(folder):
    ours = shaken(add_lora(from_pretrained(folder / "base"), r=4, alpha=6))
    save_adapter(ours, folder / "first")
    peft.PeftModel.from_pretrained(theirs(folder), str(folder / "first")).save_pretrained(folder / "second")
    close(load_adapter(from_pretrained(folder / "base"), folder / "second")(IDS).logits, ours(IDS).logits)


@torch.no_grad()
def test_pefts_over_our_own_class(folder):
    """peft also wraps our Linear layers, with no `transformer.` in the names."""
    model = shaken(peft.get_peft_model(from_pretrained(folder / "base"), peft.LoraConfig(r=4, lora_alpha=6, target_modules=["c_attn"])))
    model.save_pretrained(folder / "adapter")
    ours = load_adapter(from_pretrained(folder / "base"), folder / "adapter")
    close(ours(IDS).logits, model.base_model.model(IDS).logits)


@pytest.mark.parametrize("wrong", [dict(use_dora=True), dict(use_rslora=True), dict(modules_to_save=["ln_f"]), dict(rank_pattern={"c_attn": 2}),
                                   dict(init_lora_weights="pissa")], ids=str)
def test_other_forms_of_pefts_are_refused(folder, wrong):
    config = peft.LoraConfig(**{"r": 4, "target_modules": ["c_attn"], "fan_in_fan_out": True, "task_type": "CAUSAL_LM", **wrong})
    peft.get_peft_model(theirs(folder), config).save_pretrained(folder / "adapter")
    ours = from_pretrained(folder / "base")
    with pytest.raises(ValueError, match=next(iter(wrong))):
        load_adapter(ours, folder / "adapter")
    assert not lora_layers(ours)
