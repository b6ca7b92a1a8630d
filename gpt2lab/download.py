"""Fetch the real GPT-2 once, into Hugging Face's own cache, where `transformers` finds it too."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}
FILES = ("config.json", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
TIMEOUT = 8                                # seconds until a silent server counts as absent
SPARE = 100_000_000                        # bytes that a download leaves free on the disk
LARGE = 10_000_000                         # bytes; a smaller file is fetched anew after an interruption
Answer = TypeVar("Answer")


class DownloadError(RuntimeError):
    """The files could not be fetched; the message says why and what to do."""


def download(name: str, mirror: str | None = None) -> Path:
    """Fetch a published GPT-2 (weights as safetensors, config, tokenizer) and return its directory.

    Progress bars are huggingface_hub's. A large file goes on where an interrupted run stopped; before a file is fetched the disk must
    have room for it, and what arrived is compared with the server's own hash. mirror: another server with the hub's
    layout. Raises ValueError for an unknown name and DownloadError when the server does not answer, lacks a file, the
    disk has no room, or the file is not what the server says it is.
    """
    from huggingface_hub import hf_hub_download
    repository = _repository(name)
    try:
        return cached_directory(name)
    except FileNotFoundError:
        pass
    for file in FILES:
        answer = _ask(repository, file, mirror)
        etag, size = answer.etag or "", answer.size or 0
        blob = cache_location() / f"models--{repository.replace('/', '--')}" / "blobs" / etag
        _check_room(repository, file, blob, size)
        try:
            if size > LARGE and re.fullmatch("[0-9a-f]{64}", etag) and not blob.exists():
                _fetch_large(answer.location, blob, size, file)
            path = Path(hf_hub_download(repository, file, endpoint=mirror, etag_timeout=TIMEOUT))      # finds a blob that is there
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


def cache_location() -> Path:
    """The folder into which `download` puts models: Hugging Face's own cache, which HF_HOME moves."""
    from huggingface_hub import constants
    return Path(constants.HF_HUB_CACHE)


def _check_room(repository: str, file: str, blob: Path, size: int) -> None:
    """DownloadError unless the disk holds what is still missing of the file, and SPARE bytes besides."""
    cache, half = cache_location(), _half(blob)
    missing = 0 if blob.exists() else size - (half.stat().st_size if half.is_file() else 0)
    existing = next(folder for folder in (cache, *cache.resolve().parents) if folder.is_dir())
    if (free := shutil.disk_usage(existing).free) < missing + SPARE:
        raise DownloadError(f"{repository}/{file} needs {(missing + SPARE) / 1e6:,.0f} MB in {cache}, and {free / 1e6:,.0f} MB are "
                            "free: make room, or set HF_HOME to a folder on another disk")


def _half(blob: Path) -> Path:
    return blob.with_name(blob.name + ".part")


def _fetch_large(address: str, blob: Path, size: int, name: str) -> None:
    """Fetch a file into the cache, going on from what an earlier try left behind: the hub's own library begins anew."""
    from huggingface_hub.file_download import http_get
    blob.parent.mkdir(parents=True, exist_ok=True)
    half = _half(blob)
    if half.is_file() and half.stat().st_size > size:
        half.unlink()                      # of another file, or written by two at once
    with half.open("ab") as file:
        http_get(address, file, resume_size=file.tell(), expected_size=size, displayed_filename=name)
    half.replace(blob)


def _ask(repository: str, file: str, mirror: str | None) -> HfFileMetadata:
    """The file's hash, size and address as the server gives them. One question without retries: an absent server is told at once."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    server = mirror or os.environ.get("HF_ENDPOINT") or "huggingface.co"
    try:
        url = hf_hub_url(repository, file, endpoint=mirror)
        return _within(TIMEOUT, lambda: get_hf_file_metadata(url, timeout=TIMEOUT))
    except OfflineModeIsEnabled as error:
        raise DownloadError("HF_HUB_OFFLINE is set, which forbids every download: unset it and run the same command again") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise DownloadError(f"{server} answered {status} for {repository}/{file}: is the mirror's address right, and the server "
                            "well? Try again later, or another --mirror") from error
    except Exception as error:             # no route, no name, no answer, an answer that is no HTTP, redirects in a circle
        raise DownloadError(f"no answer from {server} within {TIMEOUT} s ({_short(error)}): connect to the internet, or give a "
                            "server near you with --mirror. The course runs without it: mini needs no download") from error


def _within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """The result of `call`, or TimeoutError. A library's own time-out counts from byte to byte, and anew for each address."""
    results: list[Answer | Exception] = []

    def work() -> None:
        try:
            results.append(call())
        except Exception as error:         # handed to the caller below
            results.append(error)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise TimeoutError("nothing came back in time")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


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
