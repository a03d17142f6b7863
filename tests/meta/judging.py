"""Which cases a saboteur has to pass, and what becomes of it."""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from unittest import mock

from unicnn.conformance import expected
from unicnn.conformance.case import Case
from unicnn.conformance.cases import CASES
from unicnn.conformance.kit import FAILED, PASSED, WARNED, AnyCase, Verdict, check
from unicnn.conformance.relations import RelationCase
from unicnn.conformance.target import Target

from .broken import BASE, installed
from .saboteur import Saboteur

LEVELS = ("exact", "bounded", "sharp", "identical", "special", "relations")
MOST = {"exact": 3, "bounded": 2, "sharp": 4, "identical": 3, "special": 3}
"""How many cases of an op, a recipe and a dtype a saboteur is run on, by level; decisions are always among them."""
COUNTED = (FAILED, WARNED)


@dataclass(frozen=True)
class Kill:
    """Say on which case a saboteur was noticed: it failed, or at the sharp level there was a warning."""

    case: AnyCase
    outcome: str
    detail: str


@dataclass(frozen=True)
class Judgement:
    """Hold the cases that a saboteur was run on and those that noticed it, both in the order of the kit.

    `refused` names cases that could not be used, for the honest backend fails them.
    """

    cases: tuple[AnyCase, ...]
    kills: tuple[Kill, ...]
    refused: tuple[str, ...] = ()

    def count(self, level: str) -> tuple[int, int]:
        """Return how many cases of a level noticed it, and of how many."""
        return sum(kill.case.level == level for kill in self.kills), sum(case.level == level for case in self.cases)

    @property
    def first(self) -> Kill | None:
        """Return the first case that failed."""
        return next((kill for kill in self.kills if kill.outcome == FAILED), None)

    @property
    def killers(self) -> tuple[str, ...]:
        """Return the levels that noticed it, in order."""
        return tuple(level for level in LEVELS if self.count(level)[0])

    def missed(self, ops: Iterable[str]) -> list[str]:
        """Return those of the ops of which no case failed."""
        dead = {kill.case.op for kill in self.kills if kill.outcome == FAILED}
        return [op for op in ops if op not in dead]


@cache
def judged(saboteur: Saboteur) -> Judgement:
    """Run a saboteur on its cases."""
    with _remembered():
        wanted = selected(saboteur)
        cases = tuple(case for case in wanted if honest(case).outcome == PASSED)
        refused = tuple(case.id for case in wanted if honest(case).failed)
    with _remembered(), installed(saboteur) as target:
        verdicts = [check(case, target) for case in cases]
    kills = [Kill(case, v.outcome, v.detail) for case, v in zip(cases, verdicts, strict=True) if v.outcome in COUNTED]
    return Judgement(cases, tuple(kills), refused)


def selected(saboteur: Saboteur) -> list[AnyCase]:
    """Return the cases that a saboteur is run on: some of every level of its ops.

    Which ones depends on nothing but their names, and a new case changes little.
    """
    chosen: set[str] = set()
    taken: Counter[tuple[str, ...]] = Counter()
    candidates = [case for case in CASES if _concerns(saboteur, case)]
    for case in sorted(candidates, key=lambda case: hashlib.sha256(case.id.encode()).digest()):
        stratum = _stratum(case)
        if taken[stratum] < (1 if saboteur.each else MOST.get(case.level, 1)):
            taken[stratum] += 1
            chosen.add(case.id)
    return [case for case in candidates if case.id in chosen]


def _stratum(case: AnyCase) -> tuple[str, ...]:
    """Return what a case is a sample of."""
    if isinstance(case, RelationCase):
        return case.op, case.relation.name, case.numerics
    return (case.op, case.level, case.dtype, case.recipe) if isinstance(case, Case) else (case.id,)


def _concerns(saboteur: Saboteur, case: AnyCase) -> bool:
    if case.op not in saboteur.ops or getattr(case, "slow", False):
        return False
    return not isinstance(case, (Case, RelationCase)) or fnmatch.fnmatchcase(case.setting.name, saboteur.settings)


_HONEST = Target(BASE)
_VERDICTS: dict[str, Verdict] = {}
_KEPT = {name: cache(getattr(expected, name).__wrapped__) for name in ("forward", "backward")}
_KEPT |= {name: cache(getattr(expected, name)) for name in ("proven", "absolute")}


def honest(case: AnyCase) -> Verdict:
    """Return the verdict on the backend as it is."""
    if case.id not in _VERDICTS:
        _VERDICTS[case.id] = replace(check(case, _HONEST), arrays={})
    return _VERDICTS[case.id]


@contextmanager
def _remembered() -> Iterator[None]:
    """Compute only once what a case should give, however many saboteurs are run on it."""
    with mock.patch.multiple(expected, **_KEPT):
        yield
