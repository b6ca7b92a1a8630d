"""Small checkpoints for the tests of the weights, and ways to change them."""
import torch
from safetensors.torch import load_file, save_file

SHAPE = dict(n_layer=2, n_head=3, n_embd=12, n_positions=10, vocab_size=29)


def shake(model: torch.nn.Module) -> torch.nn.Module:
    """Every parameter far from its start: gains that are not 1, biases that are not 0."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return model.eval()


def edit(directory, change) -> None:
    """Rewrite model.safetensors with `change` made to its tensors; never in place, as a model may be mapped to it."""
    state = load_file(directory / "model.safetensors")
    change(state)
    (directory / "model.safetensors").unlink()
    save_file(state, directory / "model.safetensors")


def as_pickle(directory, state, name="pytorch_model.bin", **options):
    """The same folder with a pickle in place of the safetensors."""
    (directory / "model.safetensors").unlink(missing_ok=True)
    torch.save(state, directory / name, **options)
    return directory


def same(one, other) -> None:
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in other.state_dict().items():
        assert torch.equal(one.state_dict()[name], tensor), name
