"""Where a student's code runs: what it may read, write and use, and how each system enforces that.

| system                    | files                                | network, processes       | memory, time, file size    |
|---------------------------|--------------------------------------|--------------------------|----------------------------|
| Linux, kernel >= 5.13     | Landlock: only Python and a work folder | seccomp: none         | resource limits, killed on time |
| Linux without Landlock    | bubblewrap, where it is installed    | seccomp: none            | the same                   |
| macOS                     | sandbox-exec                         | sandbox-exec: none       | the same, but for memory   |
| Windows, anything else    | Python audit hook only               | Python audit hook only   | killed on time; no memory limit |

An audit hook stops ordinary Python code, not somebody who sets out to break it: grade unknown people's work on Linux or
macOS. `sandbox_report()` tries it out on the machine at hand and says what held.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import confine_linux as linux

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell_seconds: float = 20.0
    cells_seconds: float = 120.0  # all cells together
    piece_seconds: float = 30.0
    submission_seconds: float = 300.0
    memory: int = 4096 * MEGABYTE  # address space: torch maps about 1 GB before it computes anything
    file_size: int = 16 * MEGABYTE
    folder_size: int = 64 * MEGABYTE
    answer_size: int = 64 * MEGABYTE
    open_files: int = 256


def readable_paths() -> list[str]:
    """Python, its packages without gpt2lab, and the few system files that they read."""
    prefixes = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)} | {Path("/usr"), Path("/usr/local")}
    found = [p / part for p in prefixes for part in ("lib", "lib64", "lib32", "bin", "pyvenv.cfg", "share/zoneinfo", "share/fonts")]
    found += [Path(sys.prefix) / part for part in ("lib", "lib64", "bin", "pyvenv.cfg", "Lib", "DLLs")]
    found += [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib")]
    found += map(Path, ("/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/proc/cpuinfo", "/proc/meminfo"))
    found += map(Path, ("/sys/devices/system/cpu", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"))
    kept = dict.fromkeys(str(p) for p in found if p.exists())
    for folder in _packages():
        installed = Path(folder, "gpt2lab")
        if installed.is_dir():  # a plain install: allow its neighbours one by one, since a rule cannot be taken back
            kept = _without(kept, installed.resolve())
        elif Path(folder).exists():
            kept[folder] = None
    return list(kept)


def _packages() -> list[str]:
    return [*site.getsitepackages(), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]


def _without(paths: dict[str, None], hidden: Path) -> dict[str, None]:
    """Replace every folder above `hidden` by what lies in it, down to its neighbours."""
    kept: dict[str, None] = {}
    waiting = [Path(p) for p in paths]
    while waiting:
        path = waiting.pop()
        real = path.resolve()
        if real == hidden or hidden in real.parents:
            continue
        if real in hidden.parents:
            waiting += list(path.iterdir())
        else:
            kept[str(path)] = None
    return kept


def command(python: list[str], runtime: Path, work: Path, hidden: list[str]) -> list[str]:
    """The command that starts the child: as it is, or behind the system's own jail."""
    if platform.system() == "Darwin" and shutil.which("sandbox-exec"):
        return ["sandbox-exec", "-p", _mac_profile(runtime, work, hidden), *python]
    if platform.system() == "Linux" and not linux.landlock_abi() and _bubblewrap_works():
        return [*_bubblewrap(runtime, work), *python]
    return python


def _mac_profile(runtime: Path, work: Path, hidden: list[str]) -> str:
    def folders(paths: list[str]) -> str:
        return " ".join(f'(subpath "{os.path.realpath(p)}")' for p in paths)

    allowed = [p for p in readable_paths() if not Path("/dev") in Path(p).parents] + [str(runtime)]
    return (
        "(version 1)(allow default)(deny network*)(deny process-fork)(deny signal (target others))(deny file-write*)"
        f"(deny file-read-data {folders([*hidden, str(Path.home())])})"
        f"(allow file-read-data {folders(allowed)})"
        f'(allow file-read-data file-write* {folders([str(work)])} (literal "/dev/null"))'
    )


def _bubblewrap(runtime: Path, work: Path) -> list[str]:
    made = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in readable_paths() + [str(runtime)]:
        if not path.startswith(("/proc", "/dev")):
            made += ["--ro-bind", path, path]
    return [*made, "--bind", str(work), str(work), "--chdir", str(work)]


def _bubblewrap_works() -> bool:
    if not shutil.which("bwrap"):
        return False
    return subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True).returncode == 0


def environment(work: Path) -> dict[str, str]:
    """Nothing of the instructor's own environment, one thread, all scratch files in the work folder."""
    made = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    made |= dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME"), str(work))
    made |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    if os.name == "nt":
        made |= {k: os.environ[k] for k in ("SYSTEMROOT", "SYSTEMDRIVE") if k in os.environ}
    return made


def enter(limits: Limits, runtime: str, work: str, hidden: list[str]) -> None:
    """Called by the child on itself, before it sees any of the student's code."""
    if os.name == "posix":
        _limit_resources(limits)
    held_by_system = platform.system() == "Darwin" and shutil.which("sandbox-exec") is not None
    if platform.system() == "Linux":
        linux.die_with_parent()
        own = f"/proc/{os.getpid()}"
        if linux.landlock_abi():
            linux.restrict_files([*readable_paths(), runtime, own], [work, "/dev/null"])
            held_by_system = True
        else:
            held_by_system = not any(os.path.exists(p) for p in hidden)  # bubblewrap shows nothing of them
        if linux.seccomp_available():
            linux.restrict_system_calls()
    if not held_by_system:
        sys.addaudithook(_watch(runtime, work, hidden))


def _limit_resources(limits: Limits) -> None:
    import resource

    wanted = {"RLIMIT_FSIZE": limits.file_size, "RLIMIT_NOFILE": limits.open_files, "RLIMIT_CORE": 0}
    wanted["RLIMIT_CPU"] = int(limits.submission_seconds) + 30
    if platform.system() != "Darwin":  # macOS refuses a limit below what is mapped at start
        wanted["RLIMIT_AS"] = limits.memory
    for name, value in wanted.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _watch(runtime: str, work: str, hidden: list[str]) -> Callable[[str, tuple], None]:
    """The last resort: refuse what Python code does through Python's own doors."""
    roots = tuple(os.path.realpath(p) + os.sep for p in hidden)
    fine = tuple(os.path.realpath(p) + os.sep for p in (runtime, work, *readable_paths()))
    refused = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "os.kill", "socket.")
    changes = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate", "shutil.")

    def inside(path: object, folders: tuple[str, ...]) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(folders)

    def hook(event: str, values: tuple) -> None:
        if event.startswith(refused) and event != "socket.__new__":
            raise PermissionError(f"{event} is not allowed where answers are graded")
        if event in ("open", "os.listdir", "os.scandir") and values:
            writes = event == "open" and isinstance(values[1], str) and any(c in values[1] for c in "wax+")
            if inside(values[0], roots) and not inside(values[0], fine) or writes and not inside(values[0], (fine[1],)):
                raise PermissionError(f"{values[0]!r} is not open to answers that are being graded")
        elif event.startswith(changes) and values and not inside(values[0], (fine[1],)):
            raise PermissionError(f"{event} is not allowed outside the work folder")

    return hook


@dataclass(frozen=True)
class Protection:
    """One line of `sandbox_report()`."""

    what: str
    held: bool
    detail: str


def sandbox_report() -> list[Protection]:
    """Run a small hostile program in the sandbox of this machine and report what it could do (about a second)."""
    from .session import Session

    probes = {
        "files of the course": "open({secret!r}).read()",
        "writing outside": "open({outside!r}, 'w').write('x')",
        "network": "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
        "other programs": "import subprocess; subprocess.run([{python!r}, '-c', ''], check=True)",
        "memory": "x = bytearray(64 << 30)",
        "file size": "f = open('big', 'wb'); f.truncate(1 << 30); f.close()",
    }
    import socket
    import tempfile

    with tempfile.TemporaryDirectory() as folder, socket.socket() as server:
        secret = Path(folder, "hidden_cases.py")
        secret.write_text("secret")
        server.bind(("127.0.0.1", 0))
        server.listen()
        facts = {"secret": str(secret), "outside": str(Path(folder, "x")), "port": server.getsockname()[1], "python": sys.executable}
        with Session([], hidden=[folder], limits=dataclasses.replace(Limits(), cell_seconds=10)) as session:
            results = [(what, session.run_cell(i, code.format(**facts))) for i, (what, code) in enumerate(probes.items())]
    return [Protection(what, not done.ok, done.error or "NOT held: the attempt went through") for what, done in results]
