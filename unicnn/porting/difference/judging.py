"""How much each difference matters: by what it means, and by what it does when it alone is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from unicnn.ops.base import family
from unicnn.porting.difference.measuring import Measuring
from unicnn.porting.difference.result import INFERENCE, LONG, NO_EFFECT, NOTHING, ORDER, TRAINING, Difference, Effect

_EXACT = ("conv", "pool", "linear", "shape", "merge")
"""Families whose ops are made of sums, products and choices: if two agree on random numbers, they are the same."""
_STRUCTURE = ("missing", "added", "order", "wiring", "op")
_NEAR = 2
"""How many rows apart two differences may be that undo each other."""
_TRIALS = 24
"""How many pairs of differences are tried at most: networks that have nothing in common need no more."""
_MOST = 40
"""How many differences are made alone at most."""


def judged(differences: Sequence[Difference], measuring: Measuring, progress: Callable[[str], None]) -> tuple[list[Difference], Effect]:
    """Return the differences, measured and those of many layers made one, and what all of them do together."""
    found = grouped(_undone(differences, measuring, progress))
    for place, item in enumerate(found[:_MOST]):
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
    found, trials, runs = list(differences), 0, _runs(differences)
    for place, item in enumerate(found):
        if item.kind not in _STRUCTURE or item.severity != INFERENCE or place in runs:
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
    """Return the differences, those that many layers have in the same way as one, and long runs of layers that one network lacks as one."""
    found: dict[object, Difference] = {}
    runs = _runs(differences)
    for place, item in enumerate(differences):
        key = runs.get(place, _likeness(item) or place)
        first = found.get(key)
        found[key] = item if first is None else _joined(first, item)
    return list(found.values())


def _likeness(item: Difference) -> tuple[str, ...] | None:
    """Return what differences that are one have in common; None if a difference is one of its own."""
    same = (item.kind, item.op, item.what, item.a_value, item.b_value, item.a_normal, item.b_normal, item.severity)
    everywhere = item.kind == "hyperparameter" or (item.kind in ("missing", "added") and item.severity != INFERENCE)
    return same if everywhere and not item.undone else None


def _runs(differences: Sequence[Difference]) -> dict[int, tuple[str, int]]:
    """Return, for each difference in a long run of layers that one network lacks, which run it is in."""
    runs: list[list[int]] = []
    for place, item in enumerate(differences):
        before = differences[runs[-1][-1]] if runs else None
        if item.kind not in ("missing", "added") or item.undone:
            continue
        if before is not None and before.kind == item.kind and runs[-1][-1] == place - 1 and before.rows[0] == item.rows[0] - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return {place: ("run", run[0]) for run in runs if len(run) > LONG for place in run}


def _joined(first: Difference, item: Difference) -> Difference:
    names = (*(first.layers or ((first.a, first.b),)), (item.a, item.b))
    worst = max(first.severity, item.severity, key=ORDER.index)
    cause = first.cause if first.kind == "hyperparameter" or first.cause == item.cause else ""
    op = first.op if first.op == item.op else ""
    atoms, rows = first.atoms + item.atoms, first.rows + item.rows
    return dataclasses.replace(first, layers=names, atoms=atoms, rows=rows, severity=worst, cause=cause, op=op)
