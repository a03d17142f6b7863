"""``unicnn train``: a recipe on the command line."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unicnn import terminal
from unicnn.errors import InputError

if TYPE_CHECKING:
    from unicnn.training.recipe import Recipe
    from unicnn.training.run import Run

_WIDTHS = {"epoch": 5, "step": 7, "rate": 9, "seconds": 8, "images/s": 9}


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A built-in recipe (lenet), a .toml or .json file, or file.py:name.")],
    backend: Annotated[str, typer.Option(metavar="B", help="The backend to train on.")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The network: of the zoo, a file, or file.py:name; the recipe's by default.")
    ] = None,
    numerics: Annotated[str, typer.Option(help="native (float32), float64, or identical: the same bytes everywhere.")] = "native",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Draws the initial weights, the order of samples and the dropout masks.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep checkpoints there, and at the end weights, history and pictures.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out, of whatever backend.")] = False,
    epochs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Train so many epochs instead.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=0, help="Train so many steps instead.")] = None,
    every: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Write a checkpoint each N steps, beside those after each epoch.")
    ] = None,
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the JSON lines to FILE, or to standard output if it is '-'.")
    ] = None,
) -> None:
    """Train a network by a recipe, and tell each epoch on standard output: in columns on a terminal or with --json FILE, else as a line of JSON.

    A line of JSON has epoch (from 1), step, rate, loss, accuracy, test_loss, test_accuracy, seconds and images_per_second. Under identical
    numerics the last line is one SHA-256 of the whole training, the same on every backend. Ctrl-C ends after the step in progress and its
    checkpoint. Exits 0 when done, 2 on bad input or a loss that is no use, 130 after Ctrl-C.
    """
    from unicnn.sources import find_recipe, model_of
    from unicnn.training import results
    from unicnn.training.progress import Bar
    from unicnn.training.run import Run, refuse_begun

    chosen = _lengthened(find_recipe(recipe), epochs, steps)
    described = model_of(chosen, model)
    if out is None and (resume or every is not None):
        raise InputError(f"{'--resume' if resume else '--every'} needs --out, the folder with the checkpoints.")
    if out is not None and not resume:
        refuse_begun(out)
        _keep_given(out, {"recipe.toml": recipe, "model.toml": model or chosen.model})
    with terminal.status(f"preparing {described.name} on {backend}"):
        run = Run(described, chosen, backend, numerics, device, seed)
        if resume and out is not None:
            for paragraph in run.resume(out):
                typer.echo(paragraph, err=True)
    if out is not None:
        results.prepare(run, out)
        run.folder = out
    options = {
        "--backend": backend, "--model": model, "--numerics": numerics, "--device": device, "--seed": seed, "--out": out, "--epochs": epochs,
        "--steps": steps, "--every": every, "--json": json_to,
    }  # fmt: skip
    told = _Told(run, json_to)
    with _interruptible(run, recipe, options):
        with Bar(run) as bar:
            with bar.away():
                told.begin()

            def tell(run: Run) -> None:
                with bar.away():
                    told.epoch()

            run.on_epoch = tell
            run.go(every=every)
        if out is not None:
            with terminal.status(f"drawing and writing to {out}"):
                results.write(run, out)
    told.end()


def _lengthened(recipe: Recipe, epochs: int | None, steps: int | None) -> Recipe:
    if epochs is not None and steps is not None:
        raise InputError("--epochs and --steps both say how long to train. Give one of them.")
    if epochs is not None:
        return recipe.replace(epochs=epochs)
    return recipe if steps is None else recipe.replace(steps=steps)


def _keep_given(out: Path, given: dict[str, str | None]) -> None:
    """Raise InputError if a file that the user has written would be overwritten by what is kept of the training."""
    for name, path in given.items():
        if path is not None and Path(path).resolve() == (out / name).resolve():
            raise InputError(f"{out}: the {name} there is the one to train by, and would be overwritten. Choose another folder for --out.")


class _Told:
    """Tell of a run on standard output, for people or for programs, and in a file if one is given."""

    def __init__(self, run: Run, target: str | None) -> None:
        self.run, self.file = run, None if target == "-" else target
        self.json = target == "-" or (target is None and not sys.stdout.isatty())
        self.lines: list[str] = []

    def begin(self) -> None:
        """Say what is trained, on what, by what."""
        from unicnn.training.results import row, title

        run, recipe = self.run, self.run.recipe
        self.lines = [json.dumps(row(epoch)) for epoch in run.history.epochs]  # a file is to be whole, though a run is resumed
        self._write()
        if self.json:
            return
        typer.echo(title(run))
        typer.echo(
            f"recipe {recipe.name}: {type(recipe.optimizer).__name__} at {recipe.optimizer.learning_rate:g}, {run.total:,} steps, batches of "
            f"{recipe.batch_size} of {len(run.train):,} samples ({run.train.source})"
        )
        if run.steps:
            typer.echo(f"resumed after step {run.steps:,}")
        typer.echo("  ".join(f"{name:>{_width(name)}}" for name in self._columns()))

    def _columns(self) -> list[str]:
        metrics = [name.replace("_", " ") for name in self.run.recipe.metrics or ()]
        test = [] if self.run.test is None else ["test loss", *(f"test {name}" for name in metrics)]
        return ["epoch", "step", "rate", "loss", *metrics, *test, "seconds", "images/s"]

    def epoch(self) -> None:
        """Tell the last epoch."""
        from unicnn.training.results import row

        found = row(self.run.history.epochs[-1])
        if self.json:
            typer.echo(json.dumps(found))
        else:
            typer.echo(
                "  ".join(
                    f"{_figure(key, value):>{_width(name)}}" for name, (key, value) in zip(self._columns(), found.items(), strict=True)
                )
            )
        self.lines.append(json.dumps(found))
        self._write()

    def end(self) -> None:
        """Tell where everything is, and under identical numerics the digest of the run."""
        from unicnn.training.results import digest

        if self.run.folder is not None and not self.json:
            typer.echo(f"weights, history and pictures are in {self.run.folder}")
        if self.run.program.numerics.name != "identical":
            return
        sha256, covers = digest(self.run)
        if sha256 is None:
            typer.echo(covers, err=True)
            return
        self.lines.append(json.dumps({"sha256": sha256, "covers": covers}))
        typer.echo(self.lines[-1] if self.json else f"{sha256}  {covers}")
        self._write()

    def _write(self) -> None:
        if self.file is not None:
            terminal.write(self.file, "\n".join(self.lines))


def _width(name: str) -> int:
    return _WIDTHS.get(name, max(8, len(name)))


def _figure(key: str, value: Any) -> str:
    if key in ("epoch", "step", "images_per_second"):
        return f"{value:,.0f}"
    return f"{value:.1f}" if key == "seconds" else f"{value:.4g}" if key == "rate" else f"{value:.4f}"


@contextmanager
def _interruptible(run: Run, recipe: str, options: dict[str, Any]) -> Iterator[None]:
    """Turn Ctrl-C into one paragraph that says what was kept, and how to go on."""
    from unicnn.training.checkpoint import saved

    try:
        yield
    except KeyboardInterrupt:
        where = f"Interrupted after step {run.steps:,} of {run.total:,}"
        kept = saved(run.folder) if run.folder is not None else ()
        defaults = {"--numerics": "native", "--device": "cpu", "--seed": 0, "--model": None}
        given = [(key, str(value)) for key, value in options.items() if value is not None and value != defaults.get(key)]
        again = shlex.join(["unicnn", "train", recipe, *(word for pair in given for word in pair), "--resume"])
        if kept:
            typer.echo(f"{where}; the checkpoint after step {kept[-1]:,} is in {run.folder}. Go on with: {again}", err=True)
        elif run.folder is not None:
            typer.echo(f"{where}, before a checkpoint was written. Start anew by the same command.", err=True)
        else:
            typer.echo(
                f"{where}, and nothing was kept. Next time give --out DIR: a checkpoint is then written after each epoch, each --every steps "
                "and at Ctrl-C, and --resume goes on from it.", err=True,
            )  # fmt: skip
        raise typer.Exit(130) from None
