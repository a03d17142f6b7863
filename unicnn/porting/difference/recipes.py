"""Two recipes side by side: choices that differ, learning rates along the training, and what each choice does to the weights."""

from __future__ import annotations

from collections.abc import Callable

from unicnn.porting.difference.choices import LONGEST, SAMPLES, Choice, Length, choices, flat, severity, shown
from unicnn.porting.difference.reasons import reason
from unicnn.porting.difference.result import REPORTING, Difference, Effect, RecipeDiff
from unicnn.porting.difference.training import STEPS, Training, measurable
from unicnn.training.recipe import Recipe


def recipes(a: Recipe, b: Recipe, *, run: bool = True, seed: int = 0, progress: Callable[[str], None] = lambda _: None) -> RecipeDiff:
    """Return what differs between two recipes."""
    found = choices(a, b)
    lengths = Length.of(a), Length.of(b)
    first = _first_rate(a, b, lengths)
    training = Training(a, b, seed) if run and found else None
    listed = []
    for place, choice in enumerate(found):
        progress(f"making difference {place + 1} of {len(found)} alone")
        listed.append(_difference(choice, a, b, training))
    mine, theirs = flat(a), flat(b)
    named = {key: (mine.get(key, ""), theirs.get(key, "")) for key in (*mine, *(key for key in theirs if key not in mine))}
    together = Effect() if training is None else _together(training, found, a)
    return RecipeDiff(
        a.name, b.name, tuple(listed), sum(x == y for x, y in named.values()), _rates(a, b, lengths, first), first,
        (lengths[0].total, lengths[1].total), STEPS if training else 0, together, _note(a, b, first), named,
    )  # fmt: skip


def _difference(choice: Choice, a: Recipe, b: Recipe, training: Training | None) -> Difference:
    values = shown(choice.a), shown(choice.b)
    judged = severity(choice, a, b)
    effect = training.effect(choice) if training is not None and judged != REPORTING else Effect()
    return Difference("setting", None, None, choice.name, *values, *values, judged, reason(choice, a, b, judged), effect)


def _together(training: Training, found: list[Choice], a: Recipe) -> Effect:
    """Return what all choices together do from the same start; those that cannot be measured are left as they are."""
    recipe = a
    for choice in found:
        if measurable(choice) and not choice.name.startswith("init."):
            recipe = choice.made(recipe)
    return training.apart(recipe)


def _first_rate(a: Recipe, b: Recipe, lengths: tuple[Length, Length]) -> int | None:
    """Return the first update, counted from 1, whose learning rates differ."""
    for update in range(min(lengths[0].total, lengths[1].total, LONGEST)):
        x, y = _rate(a, lengths[0], update), _rate(b, lengths[1], update)
        if abs(x - y) > 1e-12 * max(x, y):
            return update + 1
    return None


def _rate(recipe: Recipe, length: Length, update: int) -> float:
    return recipe.rate(update, update // length.per_epoch)


def _rates(a: Recipe, b: Recipe, lengths: tuple[Length, Length], first: int | None) -> tuple[tuple[int, int, float, float], ...]:
    """Return both rates at the beginning, around the first difference, and at some places on the way."""
    total = min(lengths[0].total, lengths[1].total)
    if first is None or not total:
        return ()
    places = {0, first - 2, first - 1, *(total * quarter // 4 for quarter in range(1, 4)), total - 1}
    return tuple(
        (place + 1, place // lengths[0].per_epoch + 1, _rate(a, lengths[0], place), _rate(b, lengths[1], place))
        for place in sorted(places)
        if 0 <= place < total
    )


def _note(a: Recipe, b: Recipe, first: int | None) -> str:
    open_ = [item for item in (a, b) if item.data is None or item.data.train is None]
    return (
        f"Updates and epochs are counted for {SAMPLES:,} samples, where a recipe does not say how many it has." if first and open_ else ""
    )
