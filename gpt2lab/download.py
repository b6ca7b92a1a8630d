"""Fetch the real GPT-2 once, into Hugging Face's own cache, where `transformers` finds it too."""
from __future__ import annotations

import hashlib
from pathlib import Path

REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}
FILES = ("config.json", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
TIMEOUT = 10                               # seconds until a silent server counts as absent


class DownloadError(RuntimeError):
    """The files could not be fetched; the message says why and what to do."""


def download(name: str, mirror: str | None = None) -> Path:
    """Fetch a published GPT-2 (weights as safetensors, config, tokenizer) and return its directory.

    Progress bars, and going on after a broken connection, are huggingface_hub's; what arrived is compared with the
    server's own hash. mirror: another server with the hub's layout. Raises ValueError for an unknown name and
    DownloadError when the server does not answer, lacks a file, or the file is not what the server says it is.
    """
    from huggingface_hub import hf_hub_download
    repository = _repository(name)
    try:
        return cached_directory(name)
    except FileNotFoundError:
        pass
    for file in FILES:
        etag = _ask(repository, file, mirror)
        try:
            path = Path(hf_hub_download(repository, file, endpoint=mirror, etag_timeout=TIMEOUT))
        except Exception as error:         # whatever the library raises under whatever name: it did not arrive
            raise DownloadError(f"{repository}/{file} did not arrive whole ({_short(error)}): check network and disk, then run "
                                "the same command again; files that have arrived are kept") from error
        if not _matches(path, etag):
            path.resolve().unlink()        # the cache keeps the data elsewhere and a link to it here
            path.unlink(missing_ok=True)
            raise DownloadError(f"{repository}/{file} is not what the server says it sent (its hash differs): run the same "
                                "command again, and if that does not help, without --mirror")
    return path.parent


def cached_directory(name: str) -> Path:
    """Where `download` has put a model. Never touches the network; FileNotFoundError says how to fetch it."""
    from huggingface_hub import try_to_load_from_cache
    found = [try_to_load_from_cache(_repository(name), file) for file in FILES]
    missing = [file for file, path in zip(FILES, found) if not isinstance(path, str)]
    if missing:
        raise FileNotFoundError(f"{name} is not on this machine ({missing[0]} is missing): run `gpt2lab download {name}` once, "
                                'or use open_lab("mini")')
    return Path(found[-1]).parent


def _ask(repository: str, file: str, mirror: str | None) -> str:
    """The file's hash as the server gives it. One question without retries, so that an absent server is told at once."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    server = mirror or "huggingface.co"
    try:
        return get_hf_file_metadata(hf_hub_url(repository, file, endpoint=mirror), timeout=TIMEOUT).etag or ""
    except OfflineModeIsEnabled as error:
        raise DownloadError("HF_HUB_OFFLINE is set, which forbids every download: unset it and run the same command again") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise DownloadError(f"{server} answered {status} for {repository}/{file}: is the mirror's address right, and the server "
                            "well? Try again later, or another --mirror") from error
    except Exception as error:             # no route, no name, no answer, an answer that is no HTTP
        raise DownloadError(f"no answer from {server} within {TIMEOUT} s ({_short(error)}): connect to the internet, or give a "
                            "server near you with --mirror. The course runs without it: mini needs no download") from error


def _matches(path: Path, etag: str) -> bool:
    """Large files are named by their SHA-256, small ones by git's SHA-1; a mirror with other names promises nothing."""
    if len(etag) == 64:
        digest = hashlib.sha256()
    elif len(etag) == 40:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    else:
        return True
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == etag


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no details'}"


def _repository(name: str) -> str:
    if name not in REPOSITORIES:
        raise ValueError(f"no model is called {name!r}: choose mini, {', '.join(REPOSITORIES)}, or give a directory")
    return REPOSITORIES[name]
