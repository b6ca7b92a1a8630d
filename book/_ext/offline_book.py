"""Makes the built book whole: everything it needs lies beside its pages, and nothing in it asks another machine.

MathJax is copied from the installed package sphinx-mathjax-offline. Widgets bring their own page form, so the state
that ipywidgets leaves in a notebook, and the scripts that would read it, stay out of the pages.

It also lets the notebooks' ordinary Markdown links work here as they do in JupyterLab: a link to an exercise becomes a
download, a link to `glossary.md#term-softmax` finds its entry. And it hides what is meant for nbdev.
"""
from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.fileutil import copy_asset

MATHJAX_PACKAGE = "sphinx-mathjax-offline"
MATHJAX_FILE = "tex-svg.js"                       # SVG: glyphs are drawn, so no font is fetched, also from file://
BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"


def mathjax_script() -> Path:
    """Where the installed MathJax lies; ExtensionError names the command that brings it."""
    spec = importlib.util.find_spec(MATHJAX_PACKAGE)
    script = Path(spec.origin).parent / "static" / "mathjax" / MATHJAX_FILE if spec and spec.origin else None
    if script is None or not script.is_file():
        raise ExtensionError(f"the book's mathematics needs {MATHJAX_PACKAGE}: python -m pip install {MATHJAX_PACKAGE}")
    return script


def set_repository(app: Sphinx, config: Config) -> None:
    """Turn the one setting, the repository's address, into buttons; without an address there are none."""
    options = config.html_theme_options
    address = (options.get("repository_url") or "").rstrip("/")
    options["use_repository_button"] = bool(address)
    if address:
        options["launch_buttons"] = {**options.get("launch_buttons", {}), "binderhub_url": BINDER}
        if address.startswith("https://github.com/"):     # Colab opens notebooks from there only
            options["launch_buttons"]["colab_url"] = COLAB


def drop_widget_state(app: Sphinx, doctree: Any) -> None:
    """Widgets stand in the page as HTML already; their kernel state would double the page and start a loader."""
    scripts = app.env.nb_metadata.get(app.env.docname, {}).get("js_files", {})
    for key in [key for key in scripts if key.startswith("ipywidgets_")]:
        del scripts[key]


class ExerciseDownloads(SphinxTransform):
    """Links to released exercises, which are no pages of the book, become downloads. No other folder is offered."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for link in list(self.document.findall(addnodes.pending_xref)):
            path = f"{link.get('reftarget', '')}.ipynb"
            if link.get("refdomain") != "doc" or not path.startswith("exercises/") or not Path(self.env.srcdir, path).is_file():
                continue
            text = link.children or [nodes.Text(Path(path).name)]
            link.replace_self(addnodes.download_reference(
                "", "", nodes.inline("", "", *text, classes=["xref", "download"]), reftarget=f"/{path}", refdoc=self.env.docname))


class PackageCells(SphinxTransform):
    """Lines such as `#| export` are for the tool that writes the package: a reader sees a label on the cell instead."""

    default_priority = 410

    def apply(self, **kwargs: Any) -> None:
        for cell in list(self.document.findall(lambda n: isinstance(n, nodes.container) and n.get("nb_element") == "cell_code")):
            for block in list(cell.findall(nodes.literal_block))[:1]:
                code = block.astext().splitlines()
                marks = [line for line in code if line.startswith("#|")]
                if not marks:
                    continue
                if len(marks) == len([line for line in code if line.strip()]):
                    cell.parent.remove(cell)
                    continue
                kept = "\n".join(line for line in code if not line.startswith("#|")).strip("\n")
                block.rawsource, block.children = kept, []
                block += nodes.Text(kept)
                if any(mark.split()[1:2] == ["export"] for mark in marks):
                    cell["classes"].append("goes-into-package")


def name_glossary_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Let `glossary.md#term-softmax` be followed like a heading's anchor."""
    terms = [term for glossary in doctree.findall(addnodes.glossary) for term in glossary.findall(nodes.term)]
    if terms:
        anchors = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
        for term in terms:
            for name in term["ids"]:
                anchors[name] = (term.line, name, term.astext())


def name_list_items(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """A bibliography is a list, and a screen reader counts its items only under their present name (DPUB-ARIA 1.1)."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        copy_asset(str(mathjax_script()), str(Path(app.outdir) / "_static" / "mathjax"))


def setup(app: Sphinx) -> dict[str, Any]:
    mathjax_script()                              # say so before the notebooks run, not after
    app.connect("config-inited", set_repository, priority=900)
    app.add_config_value("comments_config", {}, "env")     # Jupyter Book sets it even when nothing uses it
    app.add_transform(ExerciseDownloads)
    app.add_transform(PackageCells)
    app.connect("doctree-read", drop_widget_state)
    app.connect("doctree-read", name_glossary_terms)
    app.connect("html-page-context", name_list_items)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
