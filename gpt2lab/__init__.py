"""gpt2lab: build GPT-2 one piece at a time. Importing it is instant; torch is loaded when first needed."""
__version__ = "0.1.0"

__all__ = ["open_lab"]


def __getattr__(name: str):
    if name == "open_lab":
        from gpt2lab.lab import open_lab
        return open_lab
    raise AttributeError(f"module 'gpt2lab' has no attribute {name!r}")
