"""Fetch the real GPT-2 once, into Hugging Face's own cache, where `transformers` finds it too."""
from __future__ import annotations

from pathlib import Path

REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}
FILES = ("config.json", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
TIMEOUT = 10                               # seconds until a silent server counts as absent


class DownloadError(RuntimeError):
    """The files could not be fetched; the message says why and what to do."""


def download(name: str, mirror: str | None = None) -> Path:
    """Fetch a published GPT-2 (weights as safetensors, config, tokenizer) and return its directory.

    Progress bars, resuming and hash checks are huggingface_hub's. mirror: another server with the hub's layout.
    Raises ValueError for an unknown name and DownloadError when the server cannot be reached or lacks a file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    repository = _repository(name)
    try:
        for file in FILES:
            path = hf_hub_download(repository, file, endpoint=mirror, etag_timeout=TIMEOUT)
    except LocalEntryNotFoundError as error:
        raise DownloadError(f"no answer from {mirror or 'huggingface.co'} within {TIMEOUT} s: connect to the internet, or "
                            "give a server near you with --mirror. The course runs without it: mini needs no download") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise DownloadError(f"{mirror or 'huggingface.co'} answered {status} for {repository}/{file}: "
                            "is the mirror's address right?") from error
    except OSError as error:
        raise DownloadError(f"{repository}/{file} did not arrive whole ({error}): check network and disk, then run the same "
                            "command again, it goes on where it stopped") from error
    return Path(path).parent


def cached_directory(name: str) -> Path:
    """Where `download` has put a model. Never touches the network; FileNotFoundError says how to fetch it."""
    from huggingface_hub import try_to_load_from_cache
    found = [try_to_load_from_cache(_repository(name), file) for file in FILES]
    missing = [file for file, path in zip(FILES, found) if not isinstance(path, str)]
    if missing:
        raise FileNotFoundError(f"{name} is not on this machine ({missing[0]} is missing): run `gpt2lab download {name}` once, "
                                'or use open_lab("mini")')
    return Path(found[-1]).parent


def _repository(name: str) -> str:
    if name not in REPOSITORIES:
        raise ValueError(f"no model is called {name!r}: choose mini, {', '.join(REPOSITORIES)}, or give a directory")
    return REPOSITORIES[name]
