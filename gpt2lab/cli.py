"""The `gpt2lab` command. Each subcommand imports what it needs when it runs, so that --help is instant."""
from __future__ import annotations

import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="gpt2lab: build GPT-2 one piece at a time.", no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
COURSE = Path(__file__).resolve().parents[1]


class Size(str, Enum):
    """The published sizes."""
    small = "gpt2"
    medium = "gpt2-medium"
    large = "gpt2-large"
    xl = "gpt2-xl"


@app.command()
def doctor() -> None:
    """Check what the course needs and say how to mend what is missing."""
    from gpt2lab.doctor import examine
    findings = examine(COURSE)
    width = max(len(f.what) for f in findings)
    for f in findings:
        mark = "OK  " if f.ok else ("NOTE" if f.optional else "FAIL")
        typer.echo(f"{mark} {f.what:<{width}}  {f.seen}" + ("" if f.ok else f"\n     -> {f.mend}"))
    if any(not f.ok and not f.optional for f in findings):
        raise typer.Exit(1)


@app.command()
def lab(browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
        port: Annotated[int, typer.Option(help="Port of the server; the next free one is taken if it is in use.")] = 8888) -> None:
    """Open the course in JupyterLab, at the welcome notebook."""
    start = COURSE / "notebooks" / "00_welcome.ipynb"
    if not start.exists():
        _fail(f"{start} does not exist: run `gpt2lab lab` from a clone of the course's repository, installed with `pip install -e .`")
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={COURSE}", f"--port={port}",
               "--LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb", "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if not browser:
        command.append("--no-browser")
    if getattr(os, "geteuid", lambda: 1)() == 0:
        command.append("--allow-root")     # in a container; JupyterLab refuses root otherwise
    raise typer.Exit(subprocess.call(command, cwd=COURSE))


@app.command()
def book(execute: Annotated[bool, typer.Option(help="Run the notebooks; their outputs are cached.")] = True) -> None:
    """Build the site into _build/html; warnings are errors."""
    from gpt2lab.book import build
    raise typer.Exit(build(COURSE, execute=execute))


@app.command()
def generate() -> None:
    """Regenerate every generated file: package floors from the notebooks, exercises from their solutions."""
    from nbdev.export import nb_export     # the whole nbdev-export would also rewrite gpt2lab/__init__.py
    from nbdev.maker import ModuleMaker

    from gpt2lab.grading.release import generate as release

    def anew(**how) -> ModuleMaker:        # a notebook's second module, `#| export lora`, would be appended to what is there
        return ModuleMaker(**{**how, "is_new": True})
    for notebook in sorted((COURSE / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        nb_export(notebook, lib_path=COURSE / "gpt2lab", mod_maker=anew)
    release(COURSE)


@app.command()
def download(name: Annotated[Size, typer.Argument(help="Which GPT-2.")],
             mirror: Annotated[str | None, typer.Option(help="Another server with the hub's layout.")] = None) -> None:
    """Fetch the weights and tokenizer of the real GPT-2, once."""
    from gpt2lab.download import DownloadError, cache_location, download as fetch
    try:
        typer.echo(f"Models are kept in {cache_location()}; HF_HOME moves it.")
        typer.echo(f"{name.value} is in {fetch(name.value, mirror)}")
    except DownloadError as error:
        _fail(str(error))


@app.command()
def pretrain(name: Annotated[str, typer.Argument(help="Only mini is small enough to train here.")] = "mini",
             out: Annotated[Path, typer.Option(help="Where checkpoints and the finished model go.")] = Path("runs/mini"),
             steps: Annotated[int | None, typer.Option(help="Training steps; default: the recipe's.")] = None,
             device: Annotated[str | None, typer.Option(help="cuda, mps or cpu; default: the best there is.")] = None,
             threads: Annotated[int | None, typer.Option(help="CPU threads; default: one per core.")] = None) -> None:
    """Train the course's own model. Run it again after an interruption: it goes on from the last checkpoint."""
    if name != "mini":
        _fail(f"cannot pretrain {name!r}: only mini is small enough, the others come with `gpt2lab download`")
    import torch

    from gpt2lab.lab import best_device
    from gpt2lab.pretraining import PretrainConfig, pretrain as train
    if threads:
        torch.set_num_threads(threads)
    recipe = PretrainConfig() if steps is None else PretrainConfig(steps=steps)
    try:
        measured = train(out, recipe, device=device or best_device())
    except (ValueError, FloatingPointError) as error:
        _fail(str(error))
    typer.echo(f"{out}: {measured['loss']:.3f} nats a token, {measured['bits_per_byte']:.3f} bits a byte, held out. "
               f"Try it: GPT2LAB_MODEL={out} gpt2lab lab")


def _fail(message: str) -> None:
    typer.secho(f"gpt2lab: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
