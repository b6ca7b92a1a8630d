"""Where a student's code runs: what it may read, write and use, and how each system enforces that.

| system                    | files                                | network, processes       | memory, time, file size    |
|---------------------------|--------------------------------------|--------------------------|----------------------------|
| Linux, kernel >= 5.13     | Landlock: only Python and a work folder | seccomp: none         | resource limits, killed on time |
| Linux without Landlock    | bubblewrap, where it is installed    | seccomp: none            | the same                   |
| macOS                     | sandbox-exec                         | sandbox-exec: none       | the same, but for memory   |
| Windows, anything else    | Python audit hook only               | Python audit hook only   | killed on time; no memory limit |

An audit hook stops ordinary Python code, not somebody who sets out to break it: grade unknown people's work on Linux or
macOS. `protection.sandbox_report()` tries it out on the machine at hand and says what held.
"""

from __future__ import annotations

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
PATIENCE = 3.0  # seconds on the clock for a second of computing, where other programs use the machine too
ALL_LAYERS = frozenset({"Landlock", "seccomp", "bubblewrap", "sandbox-exec", "resource limits"})


@dataclass(frozen=True)
class Limits:
    """What one submission may use. A cell's and a case's seconds are of computing time, the others on the clock."""

    cell_seconds: float = 20.0
    cells_seconds: float = 120.0  # all cells together
    piece_seconds: float = 60.0
    submission_seconds: float = 400.0
    memory: int = 3072 * MEGABYTE  # on top of what Python and torch map when they start
    file_size: int = 16 * MEGABYTE
    folder_size: int = 64 * MEGABYTE
    answer_size: int = 64 * MEGABYTE
    open_files: int = 256


def readable_paths() -> list[str]:
    """Python, its packages without gpt2lab, and the few system files that they read."""
    prefixes = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)} | {Path("/usr"), Path("/usr/local")}
    found = [
        p / part for p in prefixes for part in ("lib", "lib64", "lib32", "bin", "pyvenv.cfg", "share/zoneinfo", "share/fonts")
    ]
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


def command(python: list[str], runtime: Path, work: Path, hidden: list[str], layers: frozenset[str] = ALL_LAYERS) -> list[str]:
    """The command that starts the child: as it is, or behind the system's own jail."""
    if "sandbox-exec" in layers and platform.system() == "Darwin" and shutil.which("sandbox-exec"):
        return ["sandbox-exec", "-p", _mac_profile(runtime, work, hidden), *python]
    landlock = "Landlock" in layers and linux.landlock_abi()
    if "bubblewrap" in layers and platform.system() == "Linux" and not landlock and _bubblewrap_works():
        return [*_bubblewrap(runtime, work), *python]
    return python


def _mac_profile(runtime: Path, work: Path, hidden: list[str]) -> str:
    def folders(paths: list[str]) -> str:
        return " ".join(f'(subpath "{os.path.realpath(p)}")' for p in paths)

    allowed = [p for p in readable_paths() if Path("/dev") not in Path(p).parents] + [str(runtime)]
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
    return (
        subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, check=False).returncode
        == 0
    )


def environment(work: Path) -> dict[str, str]:
    """Nothing of the instructor's own environment, one thread, all scratch files in the work folder."""
    made = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    made |= dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME"), str(work))
    made |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    if os.name == "nt":
        made |= {k: os.environ[k] for k in ("SYSTEMROOT", "SYSTEMDRIVE") if k in os.environ}
    return made


def enter(limits: Limits, runtime: str, work: str, hidden: list[str], layers: frozenset[str] = ALL_LAYERS) -> list[str]:
    """Called by the child on itself, before it sees any of the student's code. The names of the layers in force."""
    held = []
    if os.name == "posix" and "resource limits" in layers:
        _limit_resources(limits)
        held.append("resource limits")
    if platform.system() == "Linux":
        linux.die_with_parent()
        if "Landlock" in layers and linux.landlock_abi():
            linux.restrict_files([*readable_paths(), runtime, f"/proc/{os.getpid()}"], [work, "/dev/null"])
            held.append("Landlock")
        elif "bubblewrap" in layers and hidden and not any(os.path.exists(p) for p in hidden):
            held.append("bubblewrap")  # it shows nothing of them
        if "seccomp" in layers and linux.seccomp_available():
            linux.restrict_system_calls()
            held.append("seccomp")
    if "sandbox-exec" in layers and platform.system() == "Darwin" and shutil.which("sandbox-exec"):
        held.append("sandbox-exec")
    if not {"Landlock", "bubblewrap", "sandbox-exec"} & set(held):
        sys.addaudithook(_watch(runtime, work, hidden))
        held.append("audit hook")
    return held


def _limit_resources(limits: Limits) -> None:
    import resource

    wanted = {"RLIMIT_FSIZE": limits.file_size, "RLIMIT_NOFILE": limits.open_files, "RLIMIT_CORE": 0}
    wanted["RLIMIT_CPU"] = int(limits.submission_seconds) + 30
    if platform.system() == "Linux":  # macOS refuses a limit below what is mapped at start
        wanted["RLIMIT_AS"] = _mapped_now() + _room_for_torch() + limits.memory
    for name, value in wanted.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _mapped_now() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _room_for_torch() -> int:
    """Address space that `import torch` will take: a CUDA build maps gigabytes of libraries that it never touches."""
    if "torch" in sys.modules:
        return 0
    packages = Path(sysconfig.get_paths()["platlib"])
    libraries = [*packages.glob("torch/lib/*.so*"), *packages.glob("nvidia/*/lib/*.so*")]
    return sum(path.stat().st_size for path in libraries)


def _watch(runtime: str, work: str, hidden: list[str]) -> Callable[[str, tuple], None]:
    """The last resort: refuse what Python code does through Python's own doors."""
    roots = tuple(os.path.realpath(p) + os.sep for p in hidden)
    fine = tuple(os.path.realpath(p) + os.sep for p in (runtime, work, *readable_paths()))
    refused = (
        "subprocess.",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.startfile",
        "os.kill",
        "socket.",
    )
    changes = (
        "sqlite3.connect",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.",
    )

    def inside(path: object, folders: tuple[str, ...]) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(folders)

    def hook(event: str, values: tuple) -> None:
        if event.startswith(refused) and event != "socket.__new__":
            raise PermissionError(f"{event} is not allowed where answers are graded")
        if event in ("open", "os.listdir", "os.scandir") and values:
            writes = event == "open" and _opens_for_writing(*values[1:3])
            if inside(values[0], roots) and not inside(values[0], fine) or writes and not inside(values[0], (fine[1],)):
                raise PermissionError(f"{values[0]!r} is not open to answers that are being graded")
        elif event.startswith(changes) and values and not inside(values[0], (fine[1],)):
            raise PermissionError(f"{event} is not allowed outside the work folder")

    return hook


def _opens_for_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
