"""What a student's process can and cannot do, layer by layer."""

import dataclasses
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpt2lab.grading import confine_linux, sandbox, sandbox_report
from gpt2lab.grading.session import FLOORS, PACKAGE, Session, copy_package

ANSWERS = [{"piece": "tokenizer.pretokenize", "expression": "pretokenize"}]
QUICK = dataclasses.replace(sandbox.Limits(), cell_seconds=1.0, submission_seconds=90)
needs_linux = pytest.mark.skipif(platform.system() != "Linux", reason="Linux' own protections")
needs_landlock = pytest.mark.skipif(not confine_linux.landlock_abi(), reason="this kernel has no Landlock")


def run(*cells, answers=(), hidden=(), limits=QUICK, layers=sandbox.ALL_LAYERS):
    with Session(cells, answers, hidden, limits, layers) as session:
        session.run_cells()
        return session.results


@needs_landlock
def test_everything_is_held_here():
    report = sandbox_report()
    assert report.whole, report
    assert report.mend == ""
    assert set(report.layers) == {"Landlock", "seccomp", "resource limits"}


@needs_linux
@pytest.mark.skipif(not sandbox._bubblewrap_works(), reason="bubblewrap is not installed or may not make namespaces here")
def test_bubblewrap_in_place_of_landlock():
    report = sandbox_report(sandbox.ALL_LAYERS - {"Landlock"})
    assert report.whole, report
    assert "bubblewrap" in report.layers


def test_audit_hook_alone_stops_ordinary_code_and_is_not_called_whole():
    report = sandbox_report(frozenset())
    assert report.layers == ("audit hook",)
    stopped = {p.what for p in report.protections if p.held}
    assert stopped >= {"reading the course", "writing outside", "the network", "starting programs", "signals"}
    assert not report.whole
    assert "Linux" in report.mend


@pytest.mark.parametrize("layers", [sandbox.ALL_LAYERS, frozenset()], ids=["all layers", "audit hook"])
def test_files_of_the_course(tmp_path, layers):
    secret = tmp_path / "solutions" / "hidden_cases.py"
    secret.parent.mkdir()
    secret.write_text("zebra")
    cells = [
        f"open({str(secret)!r}).read()",
        f"import os; os.open({str(secret)!r}, os.O_RDONLY)",
        f"import os; os.open({str(secret)!r}, os.O_WRONLY)",
        f"import os; os.listdir({str(secret.parent)!r})",
        f"import os; os.remove({str(secret)!r})",
        f"import os; os.rename({str(secret)!r}, 'x')",
        f"import os; os.symlink({str(secret)!r}, 'x'); open('x').read()",
        f"import os; os.chmod({str(secret)!r}, 0)",
        f"import sqlite3; sqlite3.connect({str(secret)!r}).execute('create table a(b)')",
        f"import numpy as np; np.fromfile({str(secret)!r})",
        f"import shutil; shutil.rmtree({str(secret.parent)!r})",
    ]
    for cell, result in zip(cells, run(*cells, hidden=[str(tmp_path)], layers=layers), strict=True):
        assert not result.ok, cell
        assert "zebra" not in result.error
    assert secret.read_text() == "zebra"


@needs_landlock
def test_below_python():
    """Straight to the system calls, past everything that Python could refuse."""
    libc = "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
    cells = [
        libc + f"assert c.open({str(Path(__file__))!r}.encode(), 0) < 0",
        libc + "assert c.socket(2, 1, 0) < 0 and c.socket(1, 1, 0) < 0",
        libc + "assert c.fork() < 0 and ctypes.get_errno() == 1",
        libc + "import os; assert c.kill(os.getppid(), 0) < 0 and c.kill(os.getpid(), 0) == 0",
        libc + "import os; assert c.ptrace(16, os.getppid(), 0, 0) < 0",
        libc + "assert c.unshare(0x10000000) < 0",
        libc + f"assert c.chmod({str(Path(__file__))!r}.encode(), 0) < 0",
        libc + "assert c.syscall(425, 8, 0) < 0 and ctypes.get_errno() == 1  # io_uring",
        libc + "import os; assert c.prlimit(os.getppid(), 7, 0, 0) < 0",
        "import os; os.execv('/bin/sh', ['sh', '-c', 'sleep 100'])",
        "open('/proc/1/environ').read()",
        "import os; os.listdir('/')",
    ]
    results = run(*cells)
    assert [r.error for r in results[:9]] == [""] * 9
    assert all("PermissionError" in r.error for r in results[9:]), results[9:]


def test_ordinary_work_is_possible():
    cells = [
        "import tempfile, os, shutil\nd = tempfile.mkdtemp()\nopen(d + '/a', 'w').write('x')\nprint(os.listdir(d))\nshutil.rmtree(d)",
        "import torch\nx = torch.ones(300, 300)\nprint(torch.get_num_threads(), (x @ x)[0, 0].item())",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('a.png')",
        "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()",
        "%matplotlib inline\n!ls\nget_ipython().run_line_magic('timeit', '1')\ndisplay(1)",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\nA(2)",
        "import inspect\ndef f():\n    return 1\nassert 'return 1' in inspect.getsource(f)",
        "assert __name__ == '__main__'",
        "import random, numpy; numpy.random.rand(3)",
    ]
    results = run(*cells, limits=sandbox.Limits())
    assert [r.error for r in results] == [""] * len(cells)
    assert results[0].output == "['a']\n"
    assert results[1].output == "1 300.0\n"


def test_floors_of_the_exercise_are_absent_and_lower_ones_there():
    cells = ["import gpt2lab.attention", "import gpt2lab.decoder", "import gpt2lab.tokenizer", "import gpt2lab.lab"]
    results = run(
        *cells,
        "from gpt2lab.grading import check; check('x', 1)",
        answers=[{"piece": "attention.causal_mask", "expression": "f"}],
    )
    assert ["No module named" in r.error for r in results] == [True, True, False, True, False]
    assert [r.ok for r in results] == [False, False, True, False, True]


def test_all_modules_of_an_exercise_are_absent():
    """Chapter 06 builds several: what one exercise asks for is in none of them, and the next exercise has them all."""
    modules = ("finetuning", "lora", "text_data", "losses", "optimizer", "training_run")
    cells = ["import gpt2lab.sampling", *(f"import gpt2lab.{module}" for module in modules)]
    results = run(*cells, answers=[{"piece": "finetuning.LoRALinear", "expression": "f"}], limits=sandbox.Limits())
    assert [r.ok for r in results] == [True] + [False] * len(modules)
    assert all("No module named" in r.error for r in results[1:])
    results = run(*cells, answers=[{"piece": "quantization.int8_linear", "expression": "f"}], limits=sandbox.Limits())
    assert [r.error for r in results] == [""] * len(cells)


def written_by_chapters() -> dict[str, set[str]]:
    """Chapter -> the modules that its notebook writes, in the order of the chapters."""
    written: dict[str, set[str]] = {}
    for path in PACKAGE.glob("*.py"):
        if source := re.search(r"File to edit: \.\./notebooks/(\w+)\.ipynb", path.read_text(encoding="utf-8")):
            written.setdefault(source[1], set()).add(path.stem)
    return {name.partition("_")[2]: written[name] for name in sorted(written)}


WRITTEN = written_by_chapters()


@pytest.mark.parametrize("chapter", WRITTEN)
def test_what_its_own_and_later_chapters_write_is_away_while_an_exercise_is_graded(chapter, tmp_path):
    """The answers, and what stands on them. What earlier chapters wrote is all there."""
    assert chapter in WRITTEN[chapter]
    copy_package(tmp_path, [chapter])
    there = {path.stem for path in (tmp_path / "gpt2lab").glob("*.py")}
    chapters = list(WRITTEN)
    earlier = chapters[: chapters.index(chapter)]
    assert there & set().union(*WRITTEN.values()) == set().union(*(WRITTEN[name] for name in earlier))


def test_answer_keys_are_absent():
    cells = ["import gpt2lab.grading.keys", "import gpt2lab.grading.keys.tokenizer"]
    assert all("No module named" in r.error for r in run(*cells, answers=ANSWERS))


def test_floors_are_named_in_their_order():
    package = Path(sandbox.__file__).parents[1]
    assert {"tokenizer", "attention", "decoder"} <= {p.stem for p in package.glob("*.py")} & set(FLOORS)


def test_a_cell_that_fails_leaves_what_it_had_defined():
    with Session(["def pretokenize(text): return [text]\n1 / 0", "oops("], ANSWERS) as session:
        assert session.run_cells() == {"tokenizer.pretokenize": 1}
        assert "ZeroDivisionError: division by zero (line 2 of the cell)" in session.results[0].error
        assert session.results[1].error.startswith("SyntaxError")


def test_endless_and_deadly_cells_cost_only_themselves():
    cells = [
        "while True: pass",
        "x = 1",
        "import os; os._exit(3)",
        "y = x + 1",
        "import ctypes; ctypes.string_at(0)",
        "print(x + y)",
    ]
    results = run(*cells)
    assert results[0].error == "TimeUp: the cell ran longer than 1 s"
    assert results[2].error.startswith("Stopped: the process ended")
    assert results[4].error.startswith("Stopped: the process ended")
    assert results[5].output == "3\n"


def test_a_notebook_that_always_kills_comes_to_an_end():
    results = run(*["import os; os._exit(1)"] * 8)
    assert any("Stopped" in r.error for r in results)


def test_output_is_cut():
    result = run("print('x' * 3_000_000)")[0]
    assert len(result.output) < 11_000
    assert "2,990,001 characters more" in result.output


def test_too_many_files():
    assert (
        "MB of files"
        in run("for i in range(9999):\n    open(str(i), 'wb').write(bytes(15 << 20))", limits=sandbox.Limits())[0].error
    )


def test_forged_replies_are_no_answers():
    forge = "import os, struct, json\nfor fd in range(3, 40):\n    try: os.write(fd, struct.pack('>I', 2) + b'[]')\n    except OSError: pass"
    with Session([forge, "def pretokenize(text): return 1"], ANSWERS, limits=QUICK) as session:
        assert session.run_cells() == {"tokenizer.pretokenize": 1}
        assert session.results[0].error.startswith("Stopped")


def test_nothing_of_the_environment_is_seen(monkeypatch):
    monkeypatch.setenv("COURSE_PASSWORD", "zebra")
    assert "zebra" not in run("import os; print(os.environ)")[0].output


def test_child_ends_with_its_parent():
    code = (
        "from gpt2lab.grading.session import Session\nimport os, sys\n"
        "s = Session([]); s.run_cells(); print(s.process.pid, s.folder, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid, folder = done.stdout.split(maxsplit=1)
    for _ in range(50):
        if not Path("/proc", pid).exists() or "Z" in Path("/proc", pid, "stat").read_text().rpartition(")")[2][:3]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child still runs")
    import shutil

    shutil.rmtree(folder.strip())
