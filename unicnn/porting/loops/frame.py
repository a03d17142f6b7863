"""The frame of a training loop: epochs, batches, and what is printed at the end of each; a framework fills in the step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from unicnn.porting.loops.words import docstring, laid_out
from unicnn.porting.loops.words import target as target_of
from unicnn.training.recipe import Recipe

INDENT = "    "


@dataclass(frozen=True)
class Frame:
    """Hold what a framework writes: statements by place.

    `step` takes `x` and `labels` (or `targets`) of a batch and leaves `scores`; `loss` is the reported loss as a Python number,
    `metrics` how many samples are right, by metric, as Python numbers, after statements that prepare them.
    """

    imports: Sequence[str]
    definitions: Sequence[str] = ()
    setup: Sequence[str] = ()
    epoch: Sequence[str] = ()
    step: Sequence[str] = ()
    loss: str = "loss.item()"
    metrics: dict[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()


def assembled(recipe: Recipe, frame: Frame) -> str:
    """Return the source of `train`."""
    body = [*frame.definitions, "\n".join(_train(recipe, frame))]
    imports = [*frame.imports, "import math", *(["from itertools import count, islice"] if recipe.epochs is None else [])]
    used = "\n".join(_sorted([line for line in imports if _used(line, "\n".join(body))]))
    text = "\n\n\n".join(part for part in (used, *body) if part)
    return "\n".join(line for whole in text.splitlines() for line in laid_out(whole)) + "\n"


def _used(line: str, text: str) -> bool:
    """Tell whether a module is mentioned; names that are imported from one always are."""
    return line.startswith("from ") or re.search(rf"(?<![\w.]){line.split()[-1]}\.", text) is not None


def _sorted(imports: Sequence[str]) -> list[str]:
    standard = sorted((line for line in imports if _standard(line)), key=_order)
    others = sorted((line for line in imports if not _standard(line)), key=_order)
    return [*standard, *([""] if standard and others else []), *others]


def _standard(line: str) -> bool:
    return line.split()[1] in ("itertools", "math")


def _order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _train(recipe: Recipe, frame: Frame) -> list[str]:
    target = target_of(recipe)
    sums = {name: _added(recipe, name, text) for name, text in frame.metrics.items()}
    names = ["total", *(_name(name) for name in sums), "n"]
    step = [*frame.step, f"losses.append({frame.loss})", _loss_added(recipe)]
    step += [*(line for lines in sums.values() for line in lines), f"{names[-1]} += {'len(x)' if recipe.averaging == 'samples' else '1'}"]
    inner = [*frame.epoch, f"{', '.join(names)} = {', '.join(['0.0', *['0'] * (len(names) - 1)])}", *_batches(recipe, target, step)]
    inner += [*_printed(names), *frame.after, *_stop(recipe)]
    header = (
        f"def train(net, batches, epochs={recipe.epochs}):"
        if recipe.epochs is not None
        else f"def train(net, batches, epochs=None, steps={recipe.steps}):"
    )
    loop = "for epoch in range(epochs):" if recipe.epochs is not None else "for epoch in count() if epochs is None else range(epochs):"
    body = [*docstring(_told(recipe, target), 1), *frame.setup, "losses = []", loop, *indented(inner), "return losses"]
    return [header, *indented(body)]


def indented(lines: Sequence[str]) -> list[str]:
    """Return lines one level deeper."""
    return [INDENT + line if line else line for line in lines]


def _told(recipe: Recipe, target: str) -> str:
    until = "for `epochs` epochs" if recipe.epochs is not None else "until `steps` updates are done"
    order = {"shuffle": "shuffled anew", "sequential": "in order", "sample": "drawn anew, with replacement"}[recipe.order]
    last = {
        "keep": "the last one may be short",
        "drop": "a short last one is left out",
        "pad": "a short last one is filled from the beginning of the epoch",
    }[recipe.last]
    size = f"{recipe.batch_size} samples each, {order}" + ("" if recipe.order == "sample" else f"; {last}")
    return f"Train `net` {until} and return the loss of every step.\n`batches(epoch)` yields NumPy arrays (x, {target}): {size}."


def _name(metric: str) -> str:
    return {"accuracy": "correct"}.get(metric, metric)


def _added(recipe: Recipe, metric: str, text: str) -> list[str]:
    *before, right = text.splitlines()
    return [*before, f"{_name(metric)} += {right}" + (" / len(x)" if recipe.averaging == "batches" else "")]


def _loss_added(recipe: Recipe) -> str:
    mean = recipe.averaging == "samples" and recipe.loss.reduction == "mean"
    return "total += losses[-1] * len(x)" if mean else "total += losses[-1]"


def _batches(recipe: Recipe, target: str, step: Sequence[str]) -> list[str]:
    found = "batches(epoch)" if recipe.epochs is not None else "islice(batches(epoch), steps - len(losses))"
    return [f"for x, {target} in {found}:", *indented(step)]


def _printed(names: Sequence[str]) -> list[str]:
    *sums, number = names
    words = {"total": "loss", "correct": "accuracy"}
    told = [f"{words.get(name, name.replace('_', ' '))} {{{name} / {number}:.4f}}" for name in sums]
    if len(told) < 3:
        return [f'print(f"epoch {{epoch + 1}}: {", ".join(told)}")']
    return ["print(", f'    f"epoch {{epoch + 1}}: {", ".join(told[:2])}, "', f'    f"{", ".join(told[2:])}"', ")"]


def _stop(recipe: Recipe) -> list[str]:
    return ["if len(losses) == steps:", INDENT + "break"] if recipe.epochs is None else []


__all__ = ["INDENT", "Frame", "assembled", "indented", "joined"]


def joined(*sources: str) -> str:
    """Return sources as one, their imports together at the top."""
    imports, bodies = [], []
    for source in sources:
        lines = source.strip().splitlines()
        place = next((place for place, line in enumerate(lines) if line and not line.startswith(("import ", "from "))), len(lines))
        imports += [line for line in lines[:place] if line]
        bodies.append("\n".join(lines[place:]))
    return "\n\n\n".join(["\n".join(_sorted(list(dict.fromkeys(imports)))), *filter(None, bodies)]) + "\n"
