"""What the sandbox of this machine stops, tried out: a small hostile program runs in it. Stands on `session`."""

from __future__ import annotations

import dataclasses
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .sandbox import ALL_LAYERS, Limits
from .session import Session


@dataclass(frozen=True)
class Protection:
    """One thing that hostile code tried, and whether it was stopped."""

    what: str
    held: bool
    detail: str


@dataclass(frozen=True)
class SandboxReport:
    """What the sandbox of this machine stops. `whole`: everything that was tried."""

    protections: tuple[Protection, ...]
    layers: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return all(p.held for p in self.protections) and "audit hook" not in self.layers

    @property
    def summary(self) -> str:
        open_doors = [p.what for p in self.protections if not p.held]
        text = f"students' code is graded behind {', '.join(self.layers)}"
        return text + (f"; not stopped: {', '.join(open_doors)}" if open_doors else "")

    @property
    def mend(self) -> str:
        if self.whole:
            return ""
        return "grade on Linux (kernel 5.13 or newer, or with bubblewrap installed) or macOS, or only work of people you trust"


def sandbox_report(layers: frozenset[str] = ALL_LAYERS) -> SandboxReport:
    """Run a small hostile program in the sandbox of this machine and report what it could do (about a second)."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server:
        secret = Path(folder, "hidden_cases.py")
        secret.write_text("secret")
        server.bind(("127.0.0.1", 0))
        server.listen()
        facts = {
            "secret": str(secret),
            "outside": str(Path(folder, "x")),
            "port": server.getsockname()[1],
            "python": sys.executable,
        }
        with Session([], hidden=[folder], limits=dataclasses.replace(Limits(), cell_seconds=10), layers=layers) as session:
            results = [(what, session.run_cell(i, code.format(**facts))) for i, (what, code) in enumerate(PROBES.items())]
            names = session.held_by
    return SandboxReport(
        tuple(Protection(what, not done.ok, done.error or "it went through") for what, done in results), tuple(names)
    )


PROBES = {
    "reading the course": "open({secret!r}).read()",
    "writing outside": "open({outside!r}, 'w').write('x')",
    "the network": "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
    "starting programs": "import subprocess; subprocess.run([{python!r}, '-c', ''], check=True)",
    "signals": "import os; os.kill(os.getppid(), 0)",
    "memory": "x = bytearray(1 << 45)",
    "large files": "f = open('big', 'wb'); f.truncate(1 << 30); f.close()",
}
