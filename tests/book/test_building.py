"""The command that builds the book, and the extension behind it: what they refuse, forget and turn into buttons."""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from gpt2lab import book

from .conftest import COURSE


@pytest.fixture(scope="module")
def extension():
    pytest.importorskip("sphinx", reason="the book needs the development packages: pip install -e '.[dev]'")
    spec = importlib.util.spec_from_file_location("offline_book", COURSE / "book" / "_ext" / "offline_book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_folder_that_is_no_course_is_named(tmp_path) -> None:
    with pytest.raises(ValueError, match="_config.yml.*clone"):
        book.build(tmp_path)


def test_command_makes_warnings_errors_and_checks_references(tmp_path) -> None:
    command = book.book_command(COURSE, tmp_path, True)
    assert {"-W", "-n", "--keep-going"} <= set(command) and command[0] == sys.executable
    assert command[command.index("--path-output") + 1] == str(tmp_path)


def test_without_execution_nothing_runs_and_the_rest_stays(tmp_path) -> None:
    command = book.book_command(COURSE, tmp_path, False)
    changed = yaml.safe_load(Path(command[command.index("--config") + 1]).read_text(encoding="utf-8"))
    original = yaml.safe_load((COURSE / "_config.yml").read_text(encoding="utf-8"))
    assert changed["execute"].pop("execute_notebooks") == "off" and original["execute"].pop("execute_notebooks") == "cache"
    assert changed["sphinx"].pop("local_extensions") == {"offline_book": str(COURSE / "book" / "_ext")}
    original["sphinx"].pop("local_extensions")
    assert changed == original


def test_cached_outputs_are_forgotten_when_the_package_changes(tmp_path, monkeypatch) -> None:
    cache = tmp_path / ".jupyter_cache"
    monkeypatch.setattr(book, "fingerprint", lambda package: "one")
    assert book.forget_stale_outputs(tmp_path)
    cache.mkdir()
    assert not book.forget_stale_outputs(tmp_path) and cache.exists()
    monkeypatch.setattr(book, "fingerprint", lambda package: "two")
    assert book.forget_stale_outputs(tmp_path) and not cache.exists()


def test_fingerprint_sees_content_and_names_but_not_what_no_notebook_imports(tmp_path) -> None:
    def fresh() -> str:
        return book.fingerprint(tmp_path)

    (tmp_path / "attention.py").write_text("a = 1")
    seen = [fresh()]
    (tmp_path / "attention.py").write_text("a = 2")
    seen.append(fresh())
    (tmp_path / "attention.py").rename(tmp_path / "decoder.py")
    seen.append(fresh())
    assert len(set(seen)) == 3
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading" / "sandbox.py").write_text("pass")
    (tmp_path / "cli.py").write_text("pass")
    assert fresh() == seen[-1]


@pytest.mark.parametrize("address, buttons", [
    ("", set()),
    ("https://github.com/somebody/gpt2lab", {"binderhub_url", "colab_url"}),
    ("https://gitlab.com/somebody/gpt2lab/", {"binderhub_url"}),
])
def test_one_setting_decides_about_buttons(extension, address: str, buttons: set[str]) -> None:
    options = {"repository_url": address, "launch_buttons": {"notebook_interface": "jupyterlab"}}
    extension.set_repository(None, SimpleNamespace(html_theme_options=options))
    assert set(options["launch_buttons"]) - {"notebook_interface"} == buttons
    assert options["use_repository_button"] is bool(buttons)


def test_missing_mathjax_is_named_with_its_mend(extension, monkeypatch) -> None:
    monkeypatch.setattr(extension, "MATHJAX_PACKAGE", "no-such-mathjax")
    with pytest.raises(Exception, match="pip install no-such-mathjax"):
        extension.mathjax_script()


def transformed(extension, source):
    """Run the extension's transform over one code cell and return the document."""
    from docutils import nodes
    from docutils.utils import new_document
    document = new_document("page")
    cell = nodes.container("", nodes.literal_block(source, source, language="ipython3"), nb_element="cell_code", classes=["cell"])
    document += cell
    extension.PackageCells(document).apply()
    return document


def test_marks_for_the_package_become_a_label(extension) -> None:
    document = transformed(extension, "#| export\ndef f():\n    return 1")
    assert document.astext() == "def f():\n    return 1"
    assert "goes-into-package" in document[0]["classes"]


def test_a_cell_of_marks_only_leaves_the_page(extension) -> None:
    assert len(transformed(extension, "#| default_exp attention\n").children) == 0


def test_an_ordinary_cell_stays_as_it_is(extension) -> None:
    document = transformed(extension, "x = 1  #| not a mark")
    assert document.astext() == "x = 1  #| not a mark" and document[0]["classes"] == ["cell"]
