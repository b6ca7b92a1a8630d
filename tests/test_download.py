"""Fetching a model, against a server on this machine that answers like the hub, well and badly."""
import hashlib
import http.server
import socket
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from gpt2lab import download as module
from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.download import FILES, DownloadError, cached_directory, download
from gpt2lab.tokenizer import train_bpe
from gpt2lab.weights import from_pretrained, save_pretrained

REAL_TIMEOUT = module.TIMEOUT
COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"


class Hub(http.server.ThreadingHTTPServer):
    """Serves `files` under the hub's addresses; large ones are elsewhere, behind a redirect, as on the real one."""
    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.sick, self.asked, self.ranges, self.released = files, {}, [], [], threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def etag(self, name: str) -> str:
        data = self.files[name]
        if name.endswith(".safetensors"):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, name = self.server, self.path.rpartition("/")[2]
        hub.asked.append((self.command, self.path))
        illness = hub.sick.get((self.command, name))
        if illness == "silent":
            hub.released.wait(20)
            self.close_connection = True
            return
        if illness == "drips":             # always one more byte before the time-out between two bytes
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not hub.released.wait(0.3):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    break
            self.close_connection = True
            return
        if illness == "circle":
            self._head(302, {"Location": self.path, "Content-Length": "0"})
            return
        if illness == "leads nowhere":
            self._head(302, {"ETag": '"x"', "X-Repo-Commit": COMMIT, "Location": "http://127.0.0.1:9/gone", "Content-Length": "0"})
            return
        if illness == "not HTTP":
            self.wfile.write(b"220 this is a mail server\r\n")
            self.close_connection = True
            return
        if isinstance(illness, int) or name not in hub.files:
            self._head(illness or 404, {"Content-Length": "0"})
            return
        data = hub.files[name]
        named = {"ETag": f'"{hub.etag(name)}"', "X-Repo-Commit": COMMIT}
        if name.endswith(".safetensors") and not self.path.startswith("/elsewhere/"):
            self._head(302, {**named, "X-Linked-ETag": f'"{hub.etag(name)}"', "X-Linked-Size": str(len(data)),
                             "Location": f"{hub.address}/elsewhere/{name}", "Content-Length": "0"})
            return
        if body and "Range" in self.headers:
            hub.ranges.append(self.headers["Range"])
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]) if body else 0
        self._head(206 if start else 200, {**named, "Content-Length": str(len(data) - start),
                                           **({"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {})})
        if not body:
            return
        if illness == "damaged":
            data = bytes([data[0] ^ 1]) + data[1:]
        if illness in ("cut off", "cut off once"):
            self.wfile.write(data[start:(start + len(data)) // 2])
            self.close_connection = True
            if illness == "cut off once":
                del hub.sick[self.command, name]
            return
        if illness == "stalls":
            self.wfile.write(data[start:start + 10])
            self.wfile.flush()
            hub.released.wait(20)
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """A whole small model, under the names that the published ones have."""
    directory = tmp_path_factory.mktemp("published")
    tokenizer = train_bpe(["the model the server has"], 262)
    tokenizer.save(directory)
    torch.manual_seed(0)
    save_pretrained(GPT2(GPT2Config(n_layer=1, n_head=2, n_embd=64, n_positions=8, vocab_size=tokenizer.n_vocab)), directory)
    for name in FILES:
        if not (directory / name).exists():
            (directory / name).write_text("{}")
    return {name: (directory / name).read_bytes() for name in FILES}


@pytest.fixture
def hub(files, tmp_path, monkeypatch):
    """A server, a cache of its own, no proxy, and seconds in place of the minutes that retries would take."""
    from huggingface_hub import constants, file_download
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(module, "TIMEOUT", 1)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Hub(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def test_what_the_server_has_is_fetched_whole_and_loads(hub, files):
    directory = download("gpt2", hub.address)
    assert {name: (directory / name).read_bytes() for name in FILES} == files
    assert directory == cached_directory("gpt2") and directory.name == COMMIT
    assert from_pretrained(directory).config.n_embd == 64
    asked_for = [path.rpartition("/")[2] for verb, path in hub.asked if verb == "GET"]
    assert sorted(asked_for) == sorted(FILES), "each file once"


def test_the_second_time_nobody_is_asked(hub):
    first = download("gpt2", hub.address)
    hub.asked.clear()
    assert download("gpt2", hub.address) == first and hub.asked == []


def test_the_sizes_are_kept_apart(hub):
    download("gpt2-medium", hub.address)
    assert all("/openai-community/gpt2-medium/" in path or path.startswith("/elsewhere/") for _, path in hub.asked)
    with pytest.raises(FileNotFoundError, match="gpt2lab download gpt2`"):
        cached_directory("gpt2")


def test_what_arrived_before_a_failure_is_not_fetched_again(hub):
    hub.sick["HEAD", "model.safetensors"] = 503
    with pytest.raises(DownloadError):
        download("gpt2", hub.address)
    hub.sick.clear()
    hub.asked.clear()
    download("gpt2", hub.address)
    assert [path for verb, path in hub.asked if verb == "GET"] == ["/elsewhere/model.safetensors"]


def test_a_broken_connection_is_taken_up_where_it_broke(hub, files):
    hub.sick["GET", "model.safetensors"] = "cut off once"
    directory = download("gpt2", hub.address)
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert ("GET", "model.safetensors") not in hub.sick, "the connection was never cut"


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_refusal_is_given_with_its_number_and_the_file(hub, status):
    hub.sick["HEAD", "merges.txt"] = status
    with pytest.raises(DownloadError, match=f"answered {status} for openai-community/gpt2/merges.txt.*mirror"):
        download("gpt2", hub.address)


@pytest.mark.parametrize("illness", ["silent", "not HTTP", "drips", "circle"])
def test_a_server_that_does_not_answer_is_told_at_once(hub, illness):
    hub.sick["HEAD", "config.json"] = illness
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"no answer from http://127\.0\.0\.1.*mini needs no download"):
        download("gpt2", hub.address)
    assert time.monotonic() - start < 15, "it hung: the time-out of one second was not used"
    assert illness == "circle" or len(hub.asked) == 1, "one question, no retries"


def test_ten_seconds_are_enough_to_say_that_there_is_no_network():
    assert REAL_TIMEOUT < 10


def test_a_redirect_that_leads_nowhere_is_told_with_the_file(hub):
    hub.sick["GET", "model.safetensors"] = "leads nowhere"
    with pytest.raises(DownloadError, match="gpt2/model.safetensors did not arrive whole"):
        download("gpt2", hub.address)
    with pytest.raises(FileNotFoundError, match="model.safetensors is missing"):
        cached_directory("gpt2")


def test_a_machine_that_is_not_there_is_told_at_once(hub):
    with socket.socket() as closed:                        # a port on which nobody listens
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError, match="no answer from.*--mirror"):
            download("gpt2", f"http://127.0.0.1:{closed.getsockname()[1]}")


@pytest.mark.parametrize("illness", ["cut off", "stalls"])
def test_a_file_that_does_not_arrive_is_named_and_nothing_half_is_kept(hub, illness, tmp_path):
    hub.sick["GET", "vocab.json"] = illness
    with pytest.raises(DownloadError, match="gpt2/vocab.json did not arrive whole.*same command again"):
        download("gpt2", hub.address)
    with pytest.raises(FileNotFoundError, match="vocab.json is missing"):
        cached_directory("gpt2")


@pytest.mark.parametrize("name", ["vocab.json", "model.safetensors"])
def test_a_changed_byte_is_noticed_by_the_hash(hub, name):
    hub.sick["GET", name] = "damaged"
    with pytest.raises(DownloadError, match=f"{name} is not what the server says"):
        download("gpt2", hub.address)
    with pytest.raises(FileNotFoundError, match=name):
        cached_directory("gpt2")
    hub.sick.clear()
    assert download("gpt2", hub.address) == cached_directory("gpt2"), "the damaged copy is out of the way"


def test_offline_mode_is_named(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.utils._http.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        download("gpt2", hub.address)
    assert hub.asked == []


def test_a_full_disk_is_told_with_the_systems_words(hub, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(DownloadError, match="No space left on device.*check network and disk"):
        download("gpt2", hub.address)


def free_space(monkeypatch, free: float) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def test_a_disk_without_room_is_told_before_anything_is_fetched(hub, files, monkeypatch, tmp_path):
    free_space(monkeypatch, module.SPARE + len(files["model.safetensors"]) - 1)
    with pytest.raises(DownloadError, match=r"gpt2/model.safetensors needs 100 MB in .*cache, and 100 MB are free: .*HF_HOME"):
        download("gpt2", hub.address)
    assert ("GET", "/elsewhere/model.safetensors") not in hub.asked
    free_space(monkeypatch, module.SPARE + len(files["model.safetensors"]))
    assert download("gpt2", hub.address) == cached_directory("gpt2"), "one byte more is enough"


@pytest.fixture
def interrupted(hub, files, monkeypatch, tmp_path):
    """An earlier run was killed after the first 10,000 bytes of the weights."""
    monkeypatch.setattr(module, "LARGE", 1000)
    half = tmp_path / "cache" / "models--openai-community--gpt2" / "blobs" / f"{hub.etag('model.safetensors')}.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(files["model.safetensors"][:10_000])
    return half


def test_a_run_that_was_killed_is_taken_up_where_it_stopped(hub, files, interrupted):
    directory = download("gpt2", hub.address)
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"] and not interrupted.exists()
    assert hub.ranges == ["bytes=10000-"], "the first 10,000 bytes were not asked for again"


def test_what_has_arrived_already_needs_no_more_room(hub, files, interrupted, monkeypatch):
    free_space(monkeypatch, module.SPARE + len(files["model.safetensors"]) - 10_000)
    assert download("gpt2", hub.address) == cached_directory("gpt2")


def test_a_broken_connection_leaves_what_came_for_the_next_run(hub, files, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)             # in place of ten megabytes
    hub.sick["GET", "model.safetensors"] = "cut off"
    with pytest.raises(DownloadError, match="model.safetensors did not arrive whole"):
        download("gpt2", hub.address)
    hub.sick.clear()
    hub.ranges.clear()
    directory = download("gpt2", hub.address)
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert len(hub.ranges) == 1 and int(hub.ranges[0][6:-1]) > len(files["model.safetensors"]) // 2 - 1


@pytest.mark.parametrize("begun", [b"something else " * 1000, b"x" * 10_000_000])
def test_a_wrong_beginning_is_noticed_and_done_anew(hub, files, interrupted, begun):
    interrupted.write_bytes(begun)
    if len(begun) < len(files["model.safetensors"]):
        with pytest.raises(DownloadError, match="model.safetensors is not what the server says"):
            download("gpt2", hub.address)
    assert (download("gpt2", hub.address) / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_an_unknown_name_asks_nobody(hub):
    with pytest.raises(ValueError, match="gpt5.*mini.*gpt2-xl"):
        download("gpt5", hub.address)
    assert hub.asked == []


def test_a_cache_that_lacks_one_file_is_no_model(hub):
    directory = download("gpt2", hub.address)
    (directory / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match="merges.txt is missing"):
        cached_directory("gpt2")


def test_the_lab_opens_what_was_fetched(hub, capsys):
    from gpt2lab.lab import open_lab
    download("gpt2", hub.address)
    assert open_lab("gpt2", "cpu").model.config.n_embd == 64
    assert "gpt2 (" in capsys.readouterr().out
