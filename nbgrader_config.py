"""nbgrader for this course. Run every `nbgrader` command in this folder.

`nbgrader generate_assignment 01_tokenizer`, put submissions into submitted/<student>/01_tokenizer/, then
`nbgrader autograde 01_tokenizer`, `nbgrader generate_feedback 01_tokenizer`, `nbgrader export`.
"""

import os
import sys

c = get_config()  # noqa: F821  (nbgrader provides it)

# nbgrader calls `alembic` by name for its database: find it beside this Python, also where the environment is not activated.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")

c.CourseDirectory.course_id = "gpt2lab"
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# Never copied to students, nor to the graded copies and the feedback.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".pytest_cache", "hidden_cases.py", "bank"]

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}

# Students' code runs in a sandbox, and the points are made outside of it: see gpt2lab/grading/nbgrader_plugins.py.
c.Autograde.exporter_class = "gpt2lab.grading.nbgrader_plugins.RebuildingExporter"
c.Autograde.pre_convert_hook = "gpt2lab.grading.nbgrader_plugins.drop_links"
c.Autograde.autograde_preprocessors = [
    "gpt2lab.grading.nbgrader_plugins.ScoreAnswers",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# c.ScoreAnswers.submission_seconds = 400   # and cell_seconds, piece_seconds, memory_mb
