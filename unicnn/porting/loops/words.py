"""A recipe's numbers and choices as pieces of Python."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from unicnn.training.optimizers import Optimizer
from unicnn.training.recipe import Recipe

WIDTH = 88
"""Columns of a line of emitted source, which is what ruff's formatter allows unless told otherwise."""


def call(name: str, *given: str, options: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None) -> str:
    """Return a call as text; options that equal the framework's defaults are left out."""
    known = defaults or {}
    rest = [f"{key}={literal(value)}" for key, value in (options or {}).items() if key not in known or value != known[key]]
    return f"{name}({', '.join([*given, *rest])})"


def optimizer_name(of: Optimizer, own: bool) -> str:
    """Return what PyTorch and Keras call an optimiser; one of the file's `own` takes the name of what it departs from."""
    name = type(of).__name__
    if name in ("Adam", "AdamW"):
        return "AdamW" if of.weight_decay and of.decay == "decoupled" and not own else "Adam"
    return {"RMSProp": "RMSprop"}.get(name, name)


def laid_out(line: str) -> list[str]:
    """Return a statement that ends in a bracket as ruff lays it out: what is inside on a line of its own, or an item a line."""
    body = line.removesuffix(",")
    opened = min((place for place in map(body.find, "([{") if place >= 0), default=-1)
    if len(line) <= WIDTH or opened < 0 or line.lstrip().startswith("#") or _closing(body, opened) != len(body) - 1:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()))
    inside = body[opened + 1 : -1]
    last = margin + body[-1] + line[len(body) :]
    items = _arguments(inside)
    if len(margin) + 4 + len(inside) <= WIDTH or (len(items) == 1 and not body[opened - 1].isidentifier()):
        return [body[: opened + 1], f"{margin}    {inside}", last]
    return [body[: opened + 1], *(part for item in items for part in laid_out(f"{margin}    {item},")), last]


def _closing(text: str, opened: int) -> int:
    depth = 0
    for place in range(opened, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if not depth:
            return place
    return -1


def _arguments(inside: str) -> list[str]:
    found, depth = [""], 0
    for letter in inside:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [item.strip() for item in found]


def each(name: str, element: str, loop: str, depth: int) -> list[str]:
    """Return the assignment of a list, on one line if that holds it at the depth where it stands."""
    whole = f"{name} = [{element} {loop}]"
    return [whole] if 4 * depth + len(whole) <= WIDTH else [f"{name} = [", f"    {element}", f"    {loop}", "]"]


def literal(value: Any) -> str:
    """Return a value as an expression, strings in double quotes."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def constants(values: Mapping[str, float]) -> list[str]:
    """Return the statement that gives numbers their names, or nothing."""
    return [f"{', '.join(values)} = {', '.join(map(repr, values.values()))}"] if values else []


def divided(recipe: Recipe, size: str) -> str:
    """Return what the reported loss is multiplied by before its gradient is taken, of which `size` is the number of samples; "" for 1."""
    if not recipe.scaled:
        return ""
    mean = recipe.loss.reduction == "mean"
    if recipe.divisor == "actual":
        return f"/ {size}"
    number = recipe.batch_size if recipe.divisor == "nominal" else recipe.divisor
    return f"* ({size} / {short(number)})" if mean else f"/ {short(number)}"


def tidy(number: float) -> float:
    """Return a product without the last bit that makes 0.1 * 0.1 be 0.010000000000000002."""
    return float(f"{number:.15g}")


def short(number: Any) -> str:
    """Return a number, a whole one without its point."""
    number = tidy(number)
    return repr(int(number)) if float(number).is_integer() else repr(number)


def reason(recipe: Recipe) -> str:
    """Return why a loss is divided by something of its own."""
    if recipe.divisor == "actual":
        return "The sum is reported; the step divides it by the size of the batch."
    if recipe.divisor == "nominal":
        return f"A short batch is divided by {recipe.batch_size}, too."
    return f"The summed gradient of a batch is divided by {short(recipe.divisor)}, whatever its size."


def weighted(recipe: Recipe, scores: str) -> str:
    """Return a squared difference of scores, times the recipe's scale."""
    return scores if recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * {scores}"


def labelled(recipe: Recipe) -> bool:
    """Tell whether the loss takes class numbers."""
    return bool(recipe.loss.target((1,))[0] == "labels")


def comment(text: str) -> list[str]:
    """Return a comment of as many lines as it takes at the depth of a loop's body."""
    return textwrap.wrap(text, WIDTH - 12, initial_indent="# ", subsequent_indent="# ")


def docstring(text: str, depth: int) -> list[str]:
    """Return a docstring; what follows the first line is wrapped."""
    first, _, rest = text.partition("\n")
    if not rest and 4 * depth + len(first) + 6 > WIDTH:
        first, *others = textwrap.wrap(first, WIDTH - 4 * depth - 3)
        return [f'"""{first}', *others, '"""']
    if not rest:
        return [f'"""{first}"""']
    return [f'"""{first}', "", *textwrap.wrap(rest, WIDTH - 4 * depth), '"""']


def target(recipe: Recipe) -> str:
    """Return what the second array of a batch is called."""
    return "labels" if labelled(recipe) else "targets"


def grouped(recipe: Recipe) -> bool:
    """Tell whether some parameters decay and others do not."""
    return bool(recipe.optimizer.weight_decay) and recipe.optimizer.decay_applies_to == "weights"
