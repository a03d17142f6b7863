"""The choices of two recipes that differ, each with the severity that follows from what it means."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unicnn.porting.difference.result import INITIAL, NO_EFFECT, REPORTING, TRAINING
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import ConstantRate
from unicnn.training.table import written

_NAMES = ("name",)
_PARTS = ("data", "loss", "optimizer", "schedule", "clip")
_REPORTED = ("metrics", "averaging", "test_batch_size", "loss.reduction", "data.test")
SAMPLES = 60_000
"""How many samples are supposed where a recipe does not say: as many as Fashion-MNIST has to train on."""

LONGEST = 200_000
"""After how many updates nobody looks at rates any more."""


@dataclass(frozen=True)
class Choice:
    """Be a choice that two recipes make differently; `made` returns the first recipe with the second one's choice."""

    name: str
    a: Any
    b: Any
    made: Callable[[Recipe], Recipe]


def choices(a: Recipe, b: Recipe) -> list[Choice]:
    """Return all choices that differ; parts of two kinds, such as SGD and Adam, are one choice."""
    found: list[Choice] = []
    for key, mine in a.fields().items():
        theirs = getattr(b, key)
        if key in _NAMES or mine == theirs:
            continue
        inner = list(_of_part(key, mine, theirs)) if key in _PARTS and mine is not None and type(mine) is type(theirs) else []
        # Two fields of a schedule may say one thing together: so many epochs, or the same in updates.
        if len(inner) == 1 or (inner and key != "schedule"):
            found += inner
        elif key == "init":
            found += [_role(role, mine.get(role), theirs.get(role)) for role in (mine | theirs) if mine.get(role) != theirs.get(role)]
        elif key not in ("epochs", "steps"):
            found.append(Choice(key, mine, theirs, _whole(key, theirs)))
    lengths = [("steps", item.steps) if item.steps is not None else ("epochs", item.epochs) for item in (a, b)]
    if lengths[0] != lengths[1]:
        mine, theirs = (f"{count:,} {unit}" for unit, count in lengths)
        found.append(Choice("length", mine, theirs, _whole(*lengths[1])))
    return found


def _of_part(key: str, mine: Any, theirs: Any) -> Iterator[Choice]:
    for name, value in mine.fields().items():
        other = theirs.fields()[name]
        if value != other:
            yield Choice(f"{key}.{name}", value, other, _inner(key, name, other))


def _whole(key: str, value: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: recipe.replace(**{key: value})


def _inner(key: str, name: str, value: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: recipe.replace(**{key: dataclasses.replace(getattr(recipe, key), **{name: value})})


def _role(role: str, mine: Any, theirs: Any) -> Choice:
    def made(recipe: Recipe) -> Recipe:
        rules = {key: rule for key, rule in recipe.init.items() if key != role}
        return recipe.replace(init=rules | ({role: theirs} if theirs is not None else {}))

    return Choice(f"init.{role}", mine, theirs, made)


def shown(value: Any) -> str:
    """Return a choice as it is shown."""
    if not dataclasses.is_dataclass(value):
        return written(value, 6)
    fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    told = ", ".join(f"{key} {shown(item)}" for key, item in fields.items() if item is not None and item != math.inf)
    return f"{type(value).__name__}({told})"


def flat(recipe: Recipe) -> dict[str, str]:
    """Return every choice of a recipe by its name."""
    found: dict[str, str] = {}
    for key, value in recipe.fields().items():
        if key in _NAMES or (key in ("epochs", "steps") and value is None):
            continue
        if key == "init":
            found |= {f"init.{role}": shown(rule) for role, rule in value.items()}
        elif key in _PARTS and value is not None:
            found[key] = type(value).__name__
            found |= {f"{key}.{name}": shown(item) for name, item in value.fields().items()}
        else:
            found[key] = shown(value)
    return found


@dataclass(frozen=True)
class Length:
    """Say how long a recipe trains: updates in an epoch, and in all."""

    per_epoch: int
    total: int

    @classmethod
    def of(cls, recipe: Recipe) -> Length:
        """Return the length of a recipe, on as many samples as it says or else as Fashion-MNIST has."""
        count, size = samples(recipe), recipe.batch_size or 1
        per_epoch = max(1, count // size if recipe.last == "drop" and recipe.order != "sample" else -(-count // size))
        return cls(per_epoch, recipe.steps if recipe.steps is not None else (recipe.epochs or 0) * per_epoch)


def samples(recipe: Recipe) -> int:
    """Return how many samples a recipe trains on, as far as it says."""
    return (recipe.data.train if recipe.data is not None else None) or SAMPLES


def severity(choice: Choice, a: Recipe, b: Recipe) -> str:
    """Return how much a choice matters, given both recipes."""
    if _idle(choice.name, a, b):
        return NO_EFFECT
    if choice.name in _REPORTED:
        return REPORTING
    return INITIAL if choice.name.startswith("init.") else TRAINING


def _idle(name: str, a: Recipe, b: Recipe) -> bool:
    """Tell whether a choice is of no consequence, because of what both recipes choose otherwise."""
    both = (a, b)
    part, _, field = name.partition(".")
    if part == "schedule":
        return factors(a) == factors(b, len(factors(a)))
    if part == "optimizer" and field in ("decay", "decay_applies_to"):
        return not any(item.optimizer.weight_decay for item in both)
    if part == "optimizer" and field in ("form", "nesterov"):
        still = not any(getattr(item.optimizer, "momentum", 0.0) for item in both)
        return still or (field == "form" and all(steady(item) for item in both))
    rest: Mapping[str, bool] = {
        "model": None in (a.model, b.model),
        "divisor": _scales(a) == _scales(a.replace(divisor=b.divisor)) and _scales(b) == _scales(b.replace(divisor=a.divisor)),
        "last": all(item.order == "sample" or samples(item) % (item.batch_size or 1) == 0 for item in both),
        "test_batch_size": all(item.averaging == "samples" for item in both),
        "data.resize_method": all(item.data is not None and item.data.resize is None for item in both),
    }
    return rest.get(name, False)


def factors(recipe: Recipe, count: int | None = None) -> list[float]:
    """Return what the learning rate is multiplied by in each update, or in the first `count`."""
    length = Length.of(recipe)
    updates = range(min(length.total if count is None else count, LONGEST))
    return [recipe.schedule.at(update, update // length.per_epoch) for update in updates]


def steady(recipe: Recipe) -> bool:
    """Tell whether the learning rate never changes in a training by a recipe."""
    return isinstance(recipe.schedule, ConstantRate) or len(set(factors(recipe))) <= 1


def _scales(recipe: Recipe) -> list[float]:
    """Return what a summed gradient is divided by, for every size that a batch of the recipe may have."""
    size = recipe.batch_size or 1
    short = samples(recipe) % size if recipe.last == "keep" and recipe.order != "sample" else 0
    known = recipe.data is not None and recipe.data.train is not None
    sizes = (
        [size]
        if recipe.last != "keep" or recipe.order == "sample"
        else [size, short or size]
        if known
        else [size, short or max(1, size - 1)]
    )
    divisors = {"actual": None, "nominal": float(size)}
    return [float(count) if (found := divisors.get(recipe.divisor, recipe.divisor)) is None else float(found) for count in sizes]
