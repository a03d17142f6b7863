"""A recipe as a table: every choice it makes, whether somebody wrote it or a preset filled it in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from unicnn import terminal
from unicnn.ops.loss import Loss
from unicnn.training.recipe import Recipe
from unicnn.training.settings import Setting

# Fields of the recipe itself, grouped; those that are parts of their own come as groups of their own.
_GROUPS = {
    "what": ("model", "data", "init", "loss"),
    "batches": ("batch_size", "order", "last", "epochs", "steps", "test_batch_size"),
    "update": ("divisor", "clip", "optimizer", "schedule"),
    "report": ("metrics", "averaging"),
}
_MEANING: dict[tuple[str, Any], str] = {
    ("order", "shuffle"): "a new permutation each epoch",
    ("order", "sequential"): "as stored",
    ("order", "sample"): "drawn with replacement",
    ("last", "keep"): "a short last batch stays short",
    ("last", "drop"): "a short last batch is left out",
    ("last", "pad"): "a short last batch is filled from the epoch's beginning",
    ("divisor", "actual"): "the summed gradient is divided by the batch's own size",
    ("divisor", "nominal"): "the summed gradient is divided by batch_size, in a short batch, too",
    ("averaging", "samples"): "an epoch's figures are means over its samples",
    ("averaging", "batches"): "an epoch's figures are means over its batches, whatever their size",
    ("source", "auto"): "all images if they are on this machine, else the slice inside the package",
    ("resize_method", "bilinear"): "half-pixel centres, no antialiasing",
    ("decay", "l2"): "added to the gradient",
    ("decay", "decoupled"): "taken off the weight",
    ("form", "buffer"): "b = momentum b + g; w = w - rate b",
    ("form", "velocity"): "v = momentum v - rate g; w = w + v",
    ("eps_placement", "corrected"): "added to the root of the corrected square",
    ("eps_placement", "uncorrected"): "added to the root of the square as it is",
    ("eps_placement", "outside"): "added to the root",
    ("eps_placement", "inside"): "added under the root",
}


def show(recipe: Recipe, json_to: str | None) -> None:
    """Print a recipe in full, as a table or as JSON."""
    if json_to is not None:
        terminal.write(json_to, json.dumps(recipe.to_dict(), indent=2))
        return
    from rich.markup import escape

    console = terminal.console()
    table = terminal.table("", "choice", "value", "")
    for group, names in _GROUPS.items():
        title = group
        for choice, value, meaning in _rows(recipe, names):
            table.add_row(f"[bold]{title}[/]", escape(choice), escape(value), f"[dim]{escape(meaning)}[/]")
            title = ""
        table.add_section()
    console.print(f"recipe [bold]{escape(recipe.name)}[/]")
    console.print(table)


def _rows(recipe: Recipe, names: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for name in names:
        value = getattr(recipe, name)
        if name == "init":
            for role, rule in value.items():
                yield f"init.{role}", repr(rule), ""
        elif isinstance(value, (Setting, Loss)):
            fields = dict(value.fields())
            yield name, fields.pop("name", type(value).__name__), ""
            for key, item in fields.items():
                yield f"{name}.{key}", written(item), _MEANING.get((key, item), "")
        elif value is not None or name not in ("epochs", "steps"):
            yield name, written(value), _MEANING.get((name, value), "")


def written(value: Any, digits: int = 12) -> str:
    """Return a value of a recipe as it is shown, a float with at most so many digits."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if type(value) is int else f"{value:.{digits}g}" if type(value) is float else str(value)
