"""How much each difference matters: by what it means, and by what it does when it alone is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from unicnn.ops.base import family
from unicnn.porting.difference.measuring import Measuring
from unicnn.porting.difference.result import INFERENCE, NO_EFFECT, NOTHING, TRAINING, Difference, Effect

_EXACT = ("conv", "pool", "linear", "shape", "merge")
"""Families whose ops are made of sums, products and choices: if two agree on random numbers, they are the same."""
_STRUCTURE = ("missing", "added", "order", "wiring", "op")
_NEAR = 2
"""How many rows apart two differences may be that undo each other."""
_TRIALS = 60
"""How many pairs of differences are tried at most: networks that have nothing in common need no more."""


def judged(differences: Sequence[Difference], measuring: Measuring, progress: Callable[[str], None]) -> tuple[list[Difference], Effect]:
    """Return the differences, measured and those of many layers made one, and what all of them do together."""
    found = grouped(_undone(differences, measuring, progress))
    for place, item in enumerate(found):
        if not item.effect.measured:
            progress(f"making difference {place + 1} of {len(found)} alone")
            found[place] = _measured(item, measuring)
    progress("making all differences together")
    whole = found[0].effect if len(found) == 1 else measuring.effect([atom for item in found for atom in item.atoms])
    live = [item for item in found if item.severity != NO_EFFECT]
    if len(live) > 1 and _cancels(live, whole):
        found = [_together(item, live, item.effect) if item in live else item for item in found]
    return found, whole


def _measured(item: Difference, measuring: Measuring) -> Difference:
    effect = measuring.effect(item.atoms, None if item.kind in ("missing", "added", "order") else item.a)
    return dataclasses.replace(item, effect=effect, severity=_severity(item, effect, measuring))


def _severity(item: Difference, effect: Effect, measuring: Measuring) -> str:
    """Return the severity of a difference in the light of what was measured; a rule that says more than a sample can stays."""
    if item.severity != INFERENCE or effect.output is None:
        return item.severity
    node = measuring.wiring.a.nodes.get(item.a or "")
    exact = node is not None and family(type(node.op)) in _EXACT
    if item.kind not in ("missing", "added", "order", "wiring") and not exact:
        return item.severity
    if effect.nothing:
        return NO_EFFECT
    quiet = effect.output <= NOTHING and (effect.local or 0.0) <= NOTHING
    return TRAINING if quiet and effect.training is not None else INFERENCE


def _undone(differences: Sequence[Difference], measuring: Measuring, progress: Callable[[str], None]) -> list[Difference]:
    """Return the differences, of which neighbours that undo each other, such as a layer of padding and a padding, are marked so."""
    found, trials = list(differences), 0
    for place, item in enumerate(found):
        if item.kind not in _STRUCTURE or item.severity != INFERENCE:
            continue
        for other in _near(found, item):
            if trials >= _TRIALS or found[place].severity == NO_EFFECT:
                break
            trials += 1
            progress(f"looking whether what differs at {item.a or item.b or 'the outputs'} is made up for")
            effect = measuring.effect((*item.atoms, *found[other].atoms))
            if _cancels((item, found[other]), effect) and not measuring.effect(item.atoms).nothing:
                pair = item, found[other]
                found[place], found[other] = (_together(one, pair, effect) for one in pair)
    return found


def _near(found: Sequence[Difference], item: Difference) -> list[int]:
    """Return the differences, by place, that stand next to one and could undo it."""
    return [
        place
        for place, other in enumerate(found)
        if other is not item
        and other.severity == INFERENCE
        and any(abs(mine - theirs) <= _NEAR for mine in item.rows for theirs in other.rows)
    ]


def _cancels(group: Sequence[Difference], effect: Effect) -> bool:
    """Tell whether differences do nothing together; without a training pass only those are believed that inference would show."""
    return effect.nothing and (effect.training is not None or all(item.severity == INFERENCE for item in group))


def _together(item: Difference, group: Sequence[Difference], effect: Effect) -> Difference:
    names = dict.fromkeys(other.a or other.b or "the outputs" for other in group)
    told = f"Together the differences at {' and '.join(names)} undo each other: two ways to write the same."
    return dataclasses.replace(item, severity=NO_EFFECT, cause=told, effect=effect, undone=True)


def grouped(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences, those that many layers have in the same way as one."""
    found: dict[object, Difference] = {}
    for place, item in enumerate(differences):
        alike = item.kind == "hyperparameter" and not item.undone
        key = (item.op, item.what, item.a_value, item.b_value, item.a_normal, item.b_normal, item.severity) if alike else place
        first = found.get(key)
        found[key] = item if first is None else _joined(first, item)
    return list(found.values())


def _joined(first: Difference, item: Difference) -> Difference:
    names = (*(first.layers or ((first.a, first.b),)), (item.a, item.b))
    return dataclasses.replace(first, layers=names, atoms=first.atoms + item.atoms, rows=first.rows + item.rows)
