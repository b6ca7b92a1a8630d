"""The repository agrees with itself: versions, generated files, notebooks, skips, and which floor stands on which."""
import ast
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

COURSE = Path(__file__).resolve().parents[1]
UNTRACKED = {".venv", "_build", "_docs", "_proc", "__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".hypothesis", "runs",
             ".ipynb_checkpoints", ".jupyter_cache", "submitted", "autograded", "feedback", "gradebook.db"}
FLOORS = ("bpe", "tokenizer_files", "tokenizer", "attention", "decoder", "weight_files", "weights", "next_token", "reading", "beams",
          "sampling", "fast_decoder", "lora", "text_data", "losses", "optimizer", "training_run", "finetuning", "rounding",
          "quantized_matrices", "quantized_model", "quantization", "prompts", "tasks", "choices", "prompting",
          "evaluation", "distillation", "formats")       # in the order of the chapters
GROUND = {"corpus", "download", "processes", "practice"}            # stand under every floor


def files() -> list[Path]:
    """The repository's files, as git lists them; without git, all but what its commands make."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=COURSE, capture_output=True, check=True, text=True).stdout.split("\0")
        found = [COURSE / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        found = [p for p in COURSE.rglob("*") if not UNTRACKED & set(p.relative_to(COURSE).parts) and not p.match("*.egg-info/*")]
    return sorted(p for p in found if p.is_file())


def notebooks(*folders: str) -> list[Path]:
    return [p for p in files() if p.suffix == ".ipynb" and p.relative_to(COURSE).parts[0] in folders]


def named(path: Path) -> str:
    return path.relative_to(COURSE).as_posix()


# ---------------------------------------------------------------- versions

PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(r) for r in (*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra))]


def pins() -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (COURSE / "constraints.txt").read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def test_every_constraint_is_one_exact_version_given_once():
    given = pins()
    names = [(canonicalize_name(r.name), str(r.marker or "")) for r in given]
    assert len(names) == len(set(names)), "the same package is pinned twice"
    for requirement in given:
        operators = [specifier.operator for specifier in requirement.specifier]
        assert operators == ["=="], f"{requirement} is no pin"
        assert Version(next(iter(requirement.specifier)).version).local is None, f"{requirement}: a build for one kind of machine only"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_dependency_has_one_pin_that_fits(requirement):
    fitting = [p for p in pins() if canonicalize_name(p.name) == canonicalize_name(requirement.name)]
    assert len(fitting) == 1, f"{requirement.name} needs exactly one line in constraints.txt"
    version = next(iter(fitting[0].specifier)).version
    assert requirement.specifier.contains(version, prereleases=True), f"pyproject.toml asks for {requirement}, the pin is {version}"


def test_the_versions_that_are_promised():
    exact = {canonicalize_name(p.name): next(iter(p.specifier)).version for p in pins()}
    assert exact["torch"] == "2.13.0"
    assert Version("1.0.4") <= Version(exact["jupyter-book"]) < Version("2")


def test_conda_installs_the_same_as_pip():
    environment = yaml.safe_load((COURSE / "environment.yml").read_text(encoding="utf-8"))
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert "-c constraints.txt" in pip and any(re.fullmatch(r"-e \.\[dev\]", line) for line in pip)
    assert environment["name"] == PROJECT["name"]
    asked_for = {canonicalize_name(r.name): r for r in REQUIREMENTS}
    exact = {canonicalize_name(p.name): next(iter(p.specifier)).version for p in pins()}
    for item in conda:
        name, _, version = item.partition("=")
        if name == "python":
            assert Version(version) in Requirement(f"python{PROJECT['requires-python']}").specifier
        elif canonicalize_name(name) in asked_for and version:
            assert exact[canonicalize_name(name)].startswith(version.strip("=")), f"{item} disagrees with constraints.txt"
    others = [line for line in pip if not line.startswith("-")]
    assert all(str(next(iter(Requirement(line).specifier)).version) == exact[canonicalize_name(Requirement(line).name)] for line in others)


def test_what_the_doctor_looks_for_is_what_is_installed():
    from gpt2lab.doctor import INSTRUCTOR, STUDENT
    students = {canonicalize_name(Requirement(r).name) for r in PROJECT["dependencies"]}
    assert set(STUDENT) <= students
    assert set(INSTRUCTOR) <= {canonicalize_name(Requirement(r).name) for r in PROJECT["optional-dependencies"]["dev"]}


def test_the_linter_finds_nothing():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", str(COURSE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- generated files

def exported_modules() -> list[Path]:
    """The modules that notebooks write: the names after `#| default_exp`, and after `#| export` for a second one."""
    found = {}
    for path in notebooks("notebooks"):
        for cell in nbformat.read(path, 4).cells:
            if match := re.match(r"#\|\s*(?:default_exp|exporti?)[ \t]+(\w+)", cell.source):
                found[COURSE / "gpt2lab" / f"{match[1]}.py"] = None
    return list(found)


def test_generating_anew_changes_nothing(tmp_path):
    """In a copy whose generated files are damaged or gone, `gpt2lab generate` brings every one back, byte for byte."""
    copy = tmp_path / "course"
    for path in files():
        (copy / named(path)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy / named(path))
    modules, releases = exported_modules(), notebooks("exercises")
    assert {p.stem for p in modules} >= {"tokenizer", "attention", "decoder"} and len(releases) >= 3
    for module in modules:
        (copy / named(module)).write_text("# damaged\n", encoding="utf-8")
    shutil.rmtree(copy / "exercises")
    program = "import sys; sys.path.insert(0, sys.argv[1]); from gpt2lab.cli import app; app(['generate'])"
    done = subprocess.run([sys.executable, "-P", "-c", program, str(copy)], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    changed = [named(p) for p in files() if not (copy / named(p)).is_file() or (copy / named(p)).read_bytes() != p.read_bytes()]
    assert not changed, f"run `make generate` and commit: {changed}"
    made = {p.relative_to(copy).as_posix() for p in (copy / "exercises").rglob("*") if p.is_file()}
    assert made == {named(p) for p in files() if named(p).startswith("exercises/")}


# ---------------------------------------------------------------- notebooks as files

@pytest.mark.parametrize("path", notebooks("notebooks", "exercises", "solutions"), ids=named)
def test_a_notebook_is_stored_clean(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3" and "widgets" not in notebook.metadata
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids) and len(set(ids)) == len(ids), "every cell has an id of its own"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"cell {cell.id} was stored with its output"


@pytest.mark.parametrize("path", notebooks("notebooks"), ids=named)
def test_a_chapter_reads_in_small_steps(path):
    """No code cell above 40 lines; half of them at most 6 lines of code (blank lines and directives are none)."""
    cells = nbformat.read(path, 4).cells
    sources = {cell.id: cell.source.splitlines() for cell in cells if cell.cell_type == "code"}
    assert not [name for name, lines in sources.items() if len(lines) > 40]
    assert statistics.median(sum(bool(line.strip()) and not line.startswith("#|") for line in lines) for lines in sources.values()) <= 6
    assert re.match(r"# .+\n\n> .+", cells[0].source), "the first cell is a title and a sentence"
    for before, after in zip(cells, cells[1:]):
        assert not (before.cell_type == after.cell_type == "markdown" and before.source == after.source)


@pytest.mark.parametrize("path", notebooks("notebooks"), ids=named)
def test_no_import_takes_the_place_of_what_the_lesson_has_built(path):
    """Else the learner's change of a cell would have no effect further down."""
    built: set[str] = set()
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            for statement in ast.parse(re.sub(r"(?m)^\s*[%!].*", "pass", cell.source)).body:
                if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    built.add(statement.name)
                elif isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("gpt2lab"):
                    assert not built & {alias.asname or alias.name for alias in statement.names}, cell.id


@pytest.mark.parametrize("path", notebooks("notebooks", "exercises", "solutions"), ids=named)
def test_links_lead_to_something(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`|```.*?```", "", text, flags=re.DOTALL)):
        if not target.startswith(("http://", "https://", "#", "attachment:")):
            assert (path.parent / target.partition("#")[0]).exists(), f"{target} does not exist"


@pytest.mark.parametrize("path", notebooks("notebooks"), ids=named)
def test_a_chapter_has_all_its_parts(path):
    """Prediction, widget, attention, break, cost, summary, words, reading, a link onwards; an exercise from 01 on."""
    cells = nbformat.read(path, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown").lower()
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for part in ("predict", "break", "cost", "summary", "glossary"):
        assert part in text, f"no {part!r}"
    assert re.search("## (further )?reading|references", text), "nothing to read on"
    assert "gpt2lab.widgets" in code
    assert path.name.startswith("00") or f"../exercises/{path.stem}/{path.stem}.ipynb" in text


# ---------------------------------------------------------------- nothing of anybody's machine

# Written in pieces, so that this file is not what it finds.
PERSONAL = ["/ro" + "ot/", "/ho" + r"me/\w", "/Us" + r"ers/\w", "/wor" + "k/main", r"[A-Z]:\\Us" + "ers", "file.pytho" + "nhosted",
            "arti" + "factory", r"\bnex" + r"us\.", r"/opt/whe" + "els", r"127\.0\.0\.1:3\d{3}", "/tmp/(?!\\$)" + r"\w+/\w+"]


def test_no_file_tells_whose_machine_it_was_made_on():
    pattern = re.compile("|".join(PERSONAL).encode())
    found = {f"{named(p)}: {match[0].decode()}" for p in files() for match in [pattern.search(p.read_bytes())] if match}
    assert not found


@pytest.mark.parametrize("telling", ["/ro" + "ot/course", "/ho" + "me/ann/x", "/Us" + "ers/ann", "C:\\Us" + "ers\\ann"])
def test_the_search_would_find_one(telling):
    assert re.search("|".join(PERSONAL), f"saved in {telling}")


def test_no_file_is_too_large_to_clone():
    assert not [named(p) for p in files() if p.stat().st_size > 1_000_000 and "pretrained" not in p.parts]


# ---------------------------------------------------------------- skips

def skip_reasons(source: str) -> list[str]:
    """What the calls and marks of a test file say when they skip; of an f-string, its longest fixed part."""
    def words(node: ast.expr | None) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return max((p.value for p in node.values if isinstance(p, ast.Constant)), key=len, default=None)
        return None
    constants = {t.id: n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    reasons = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("skip", "skipif", "skipTest", "importorskip", "xfail"):
            reason = next((k.value for k in node.keywords if k.arg in ("reason", "msg")), None)
            if reason is None and name in ("skip", "skipTest") and node.args:
                reason = node.args[0]
            if reason is None and name == "importorskip":
                reason = node.args[0]                       # pytest says: could not import 'that'
            if isinstance(reason, ast.Name):
                reason = constants.get(reason.id, reason)
            reasons.append(words(reason) or f"a reason that is not written out in line {node.lineno}")
    return reasons


def test_every_reason_to_skip_stands_in_the_list():
    page = " ".join((COURSE / "tests" / "SKIPS.md").read_text(encoding="utf-8").split())
    missing = {f"{named(p)}: {reason}" for p in files() if named(p).startswith("tests/") and p.suffix == ".py"
               for reason in skip_reasons(p.read_text(encoding="utf-8")) if " ".join(reason.split()) not in page}
    assert not missing


def test_the_list_names_no_test_that_is_gone():
    page = (COURSE / "tests" / "SKIPS.md").read_text(encoding="utf-8")
    assert not [name for name in re.findall(r"tests/[\w/]+\.py", page) if not (COURSE / name).exists()]


def test_the_reader_of_reasons_reads():
    source = ("WHY = 'a constant'\n@pytest.mark.skipif(x, reason='a mark')\ndef f():\n    pytest.skip(f'a text with {x}')\n"
              "    pytest.importorskip('jax')\n    pytest.skip(WHY)\n")
    assert sorted(skip_reasons(source)) == sorted(["a mark", "a text with ", "jax", "a constant"])


# ---------------------------------------------------------------- the house

def imports(path: Path, everywhere: bool = True, room: str = "gpt2lab") -> set[str]:
    """The parts of a room that a file imports, by their first name; `everywhere` counts imports inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    type_checking = {id(n) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
                     for n in ast.walk(node)}
    package = ["gpt2lab", *path.relative_to(COURSE / "gpt2lab").parent.parts]
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if id(node) in type_checking:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[:len(package) - node.level + 1], node.module or ""]).strip(".") if node.level else node.module
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.removeprefix(room + ".").split(".")[0] for name in names if name.startswith(room + ".")}
    return found


@pytest.mark.parametrize("floor", [f for f in FLOORS if (COURSE / "gpt2lab" / f"{f}.py").exists()])
def test_a_floor_stands_on_lower_floors_only(floor):
    allowed = GROUND | set(FLOORS[:FLOORS.index(floor)])
    assert imports(COURSE / "gpt2lab" / f"{floor}.py") <= allowed


def test_only_the_command_line_and_the_doctor_know_the_rooms_for_teaching():
    for path in sorted((COURSE / "gpt2lab").glob("*.py")):
        if path.stem not in ("cli", "doctor"):
            assert not imports(path) & {"widgets", "grading"}, path.name


def test_the_lab_is_for_notebooks_widgets_and_commands():
    users = {named(p).split("/")[1].removesuffix(".py") for p in (COURSE / "gpt2lab").rglob("*.py") if "lab" in imports(p)}
    assert users <= {"__init__", "cli", "doctor", "widgets"}


@pytest.mark.parametrize("room, everywhere", [("gpt2lab", False), ("gpt2lab.grading", True), ("gpt2lab.widgets", True)])
def test_no_imports_go_round_in_a_circle(room, everywhere):
    files = (COURSE / room.replace(".", "/")).glob("*.py")
    graph = {p.stem: imports(p, everywhere, room) for p in files if p.stem != "__init__"}
    list(TopologicalSorter(graph).static_order())              # CycleError names the circle


def test_the_reader_of_imports_sees_every_form(tmp_path):
    probe = COURSE / "gpt2lab" / "grading" / "probe_that_is_never_written.py"
    sources = {"from gpt2lab.decoder import GPT2": {"decoder"}, "import gpt2lab.lab as l": {"lab"}, "from gpt2lab import corpus": {"corpus"},
               "def f():\n    from ..weights import x": {"weights"}, "from .. import lab": {"lab"}}
    for source, expected in sources.items():
        class Probe(type(probe)):
            def read_text(self, **_):
                return source
        assert imports(Probe(probe)) == expected, source
