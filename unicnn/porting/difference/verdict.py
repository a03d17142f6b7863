"""The whole of a diff in one sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unicnn.porting.difference.result import INITIAL, NO_EFFECT, NOTHING, ORDER, REPORTING, TRAINING, Difference

if TYPE_CHECKING:
    from unicnn.porting.difference.result import NetworkDiff, RecipeDiff


def network(result: NetworkDiff) -> str:
    """Return the verdict on two networks."""
    names = f"{result.a} and {result.b}" if result.a != result.b else "The two"
    if result.same:
        return f"The same network: {_alike(result)}."
    live = _live(result.differences)
    if not live:
        return f"{names} give other numbers ({size(result.apart)} apart), and nothing that differs explains it."
    count = f"{len(live)} difference{'s' * (len(live) != 1)}"
    if all(item.severity == TRAINING for item in live):
        return f"{names} compute the same in inference and train differently: {count}, {_where(live)}."
    told = f"{names} are not the same network: {count}, {_where(live)}."
    first = result.first
    if first is not None and first.a is not None and first.b is not None:
        told += f" With the same weights their numbers part at {called(first.a.name, first.b.name)}"
        return told + (f", and the outputs end {size(result.apart)} of their size apart." if result.apart is not None else ".")
    return told + (f" With the same weights the outputs are {size(result.apart)} of their size apart." if result.apart else "")


def _alike(result: NetworkDiff) -> str:
    parts = ["nothing differs"] if not result.differences else []
    if result.differences:
        parts.append(f"{len(result.differences)} difference{'s' * (len(result.differences) != 1)} in writing, without effect")
    if result.renamed:
        parts.append(f"{result.renamed} layer{'s have' if result.renamed > 1 else ' has'} another name")
    if result.apart is not None:
        parts.append(f"{'the outputs are equal' if result.apart == 0 else 'the outputs agree to rounding'} on {result.samples} samples")
    if result.same_weights is False:
        parts.append("the weights that came with them are others")
    return ", ".join(parts)


def recipe(result: RecipeDiff) -> str:
    """Return the verdict on two recipes."""
    names = f"{result.a} and {result.b}" if result.a != result.b else "The two recipes"
    live = _live(result.differences)
    if not live:
        if not result.differences:
            return "The same recipe: nothing differs."
        return f"The same training: {len(result.differences)} choice{'s differ' if len(result.differences) > 1 else ' differs'}, without effect."
    if all(item.severity == REPORTING for item in live):
        return f"{names} train the same weights and report other figures: {_where(live)}."
    if all(item.severity in (REPORTING, INITIAL) for item in live):
        return f"{names} differ in how the weights begin, not in how they move: {_where(live)}."
    told = f"{names} train differently: {_where(live)}."
    if result.first_rate is not None:
        told += f" The learning rates differ from update {result.first_rate} on."
    if result.together.weights is not None and result.together.weights > NOTHING:
        told += f" After {result.steps} steps from the same start the weights are apart by {size(result.together.weights)} of how far they went."
    return told


def _live(differences: tuple[Difference, ...]) -> list[Difference]:
    return [item for item in differences if item.severity != NO_EFFECT]


def _where(live: list[Difference]) -> str:
    """Return the differences by name, the gravest first."""
    ranked = sorted(live, key=lambda item: -ORDER.index(item.severity))
    words = Counter(title(item) for item in ranked)
    names = list(words)
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest


def title(item: Difference) -> str:
    """Return what a difference is about, in a few words."""
    if len(item.layers) > 1:
        count = f"{len(item.layers)} {item.op} layers".replace("  ", " ")
        return f"{item.what} of {count}" if item.kind == "hyperparameter" else f"{count} are {item.kind}"
    if item.kind == "setting":
        return item.what
    told = {
        "missing": f"{called(item.a)} is missing",
        "added": f"{called(item.b)} is added",
        "order": f"{called(item.a, item.b)} stands {item.b_value}",
        "wiring": f"inputs of {called(item.a, item.b)}" if item.a else "what is returned",
    }
    return told.get(item.kind, f"{item.what} of {called(item.a, item.b)}")


def called(a: str | None, b: str | None = None) -> str:
    """Return how a layer is called: by both its names if they differ."""
    name = a or b or ""
    told = f"layer {name}" if name[:1].isdigit() else name
    return told if b is None or b == name else f"{told} ({b})"


def size(value: float | None) -> str:
    """Return a share in words: a percentage, or a power of ten where it is small."""
    if value is None:
        return "unknown"
    if value == float("inf"):
        return "beyond measure"
    if value >= 100:
        return f"{value:.0e} times"
    return f"{value:,.0%}" if value >= 0.1 else f"{value:.1%}" if value >= 1e-3 else f"{value:.0e}"
