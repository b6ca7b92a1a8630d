"""`python -m gpt2lab.grading.release`: makes exercises/ from solutions/ by nbgrader's own machinery.

The same as `nbgrader generate_assignment` for every exercise, but without touching the gradebook, so that it can run
anywhere and at any time. The same solutions give the same bytes.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def generate(root: Path = ROOT) -> list[Path]:
    """Rewrite every `exercises/NN_topic/`; returns the folders."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config, PyFileConfigLoader

    config: Config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.GenerateAssignment.no_database = True
    config.GenerateAssignment.force = True
    config.SaveCells.enabled = False  # it would write to the gradebook
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    names = sorted(p.name for p in (root / "solutions").glob("[0-9][0-9]_*") if list(p.glob("*.ipynb")))
    for name in names:
        folders = CourseDirectory(config=config)
        folders.assignment_id = name
        GenerateAssignment(coursedir=folders, config=config).start()
    stale = sorted(p for p in (root / "exercises").glob("[0-9][0-9]_*") if p.name not in names)
    if stale:
        raise ValueError(
            f"{', '.join(p.name for p in stale)} in exercises/ has no source in solutions/: remove it or add the source"
        )
    return [root / "exercises" / name for name in names]


if __name__ == "__main__":
    for folder in generate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT):
        print(f"made exercises/{folder.name}")
