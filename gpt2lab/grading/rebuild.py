"""A submitted notebook, rebuilt on the released one: the course's cells as they were released, the student's in their places.

Nothing in a submission is trusted to be well formed: a damaged file gives a notebook without answers and says why.
"""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

LARGEST = 50 << 20  # bytes; a notebook with many pictures has a few millions
KINDS = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_markdown_cell}  # raw text would become HTML


def grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def is_students(cell: NotebookNode) -> bool:
    """May the student change this cell of the release? Solutions yes; checks and locked cells no."""
    marks = cell.metadata.get("nbgrader", {})
    return bool(marks.get("solution")) or not (marks.get("grade") or marks.get("locked"))


def read_cells(data: bytes) -> tuple[list[NotebookNode], str]:
    """The well-formed cells of a submitted file, and what is wrong with it ("" when nothing is)."""
    if len(data) > LARGEST:
        return [], f"The notebook is larger than {LARGEST >> 20} MB and was not read: clear its outputs and submit it again."
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return [], f"The file is not a notebook and could not be read ({error}): save it in JupyterLab and submit it again."
    if isinstance(found, dict) and "worksheets" in found:  # the format before 2015
        found = {"cells": [c for w in _list(found["worksheets"]) if isinstance(w, dict) for c in _list(w.get("cells"))]}
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        return [], "The file is not a notebook: it has no cells."
    cells = [cell for cell in map(_clean_cell, found["cells"]) if cell is not None]
    lost = len(found["cells"]) - len(cells)
    return cells, f"{lost} damaged cells of the notebook were left out." if lost else ""


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _clean_cell(found: Any) -> NotebookNode | None:
    """Kind, source, id and nbgrader's name of a cell; outputs, attachments and all other metadata are dropped."""
    if not isinstance(found, dict) or found.get("cell_type") not in KINDS:
        return None
    source = found.get("source", found.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    source = source.encode("utf-8", "replace").decode()  # a lone surrogate could not be written back
    cell = KINDS[found["cell_type"]](source)
    if isinstance(found.get("id"), str):
        cell.id = found["id"]
    metadata = found.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str):
        cell.metadata["nbgrader"] = {"grade_id": marks["grade_id"]}
    return cell


def rebuild(released: NotebookNode, data: bytes) -> NotebookNode:
    """The released notebook with the student's answers, and the student's own cells behind the cell they followed.

    A check that was changed, removed or doubled is as it was released; what the student had written in its place is kept
    as a cell of the student's before it. A solution cell that is missing stays empty: its answer may stand elsewhere.
    """
    cells, problem = read_cells(data)
    places = _places(released)
    taken: dict[int, NotebookNode] = {}  # position in the release -> the student's version
    extra: dict[int, list[NotebookNode]] = {}  # position -> the student's own cells that follow it
    last = -1
    for cell in cells:
        place = next((places[key] for key in _keys(cell) if key in places), None)
        if place is not None and place not in taken and released.cells[place].cell_type == cell.cell_type:
            taken[place], last = cell, place
            original = released.cells[place]
            if not is_students(original) and cell.source != original.source:
                extra.setdefault(place - 1, []).append(_own(cell))
        elif place is None or is_students(released.cells[place]) or cell.source != released.cells[place].source:
            extra.setdefault(last, []).append(_own(cell))
    rebuilt = new_notebook(metadata=released.metadata)
    rebuilt.cells += extra.get(-1, [])
    first_code = next((i for i, cell in enumerate(released.cells) if cell.cell_type == "code"), -1)
    for i, original in enumerate(released.cells):
        cell = nbformat.from_dict(original)
        if is_students(original):
            gone = original.source if i == first_code or original.cell_type != "code" else ""  # the imports come back
            cell.source = taken[i].source if i in taken else gone
            if cell.source != original.source:
                make_harmless(cell)
        rebuilt.cells += [cell, *extra.get(i, [])]
    if problem:
        rebuilt.cells.insert(0, new_markdown_cell(f"**{problem}**"))
    used = {cell.id for cell in released.cells}
    for number, cell in enumerate(c for c in rebuilt.cells if c.id not in used):
        cell.id = f"own-{number}"
    return rebuilt


def _keys(cell: NotebookNode) -> list[tuple[str, ...]]:
    """How a cell is recognised: nbgrader's name, else its own id, else what stands in it."""
    name = grade_id(cell)
    return [("name", name)] if name else [("id", cell.id), ("source", cell.cell_type, cell.source)]


def _places(released: NotebookNode) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for i, cell in enumerate(released.cells):
        for key in [*_keys(cell), ("id", cell.id)]:
            found.setdefault(key, i)
    return found


def make_harmless(cell: NotebookNode) -> None:
    """A student's text is looked at in the instructor's browser, signed in to formgrader: tags and scripts show, but do nothing."""
    if cell.cell_type == "markdown":
        source = re.sub(r"&(?=#|\w+;)", "& ", cell.source)  # not "&amp;": what is read twice is decoded twice
        source = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", source)
        cell.source = re.sub(r"(?i)(javascript|vbscript|data)(\s*:)", r"\1 \2", source)


def _own(cell: NotebookNode) -> NotebookNode:
    copy = nbformat.from_dict(cell)
    make_harmless(copy)
    copy.metadata.pop("nbgrader", None)
    copy.id = "own"
    return copy
