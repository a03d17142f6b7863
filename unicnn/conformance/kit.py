"""The kit: one case on one target gives one verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance import differences, expected, levels, networks, relations
from unicnn.conformance.case import Case
from unicnn.conformance.decisions import Decision, decided
from unicnn.conformance.levels import Finding
from unicnn.conformance.networks import NetworkCase
from unicnn.conformance.relations import RelationCase
from unicnn.conformance.target import Target
from unicnn.errors import BackendError, UnsupportedError

Array: TypeAlias = np.ndarray[Any, Any]
AnyCase: TypeAlias = Case | RelationCase | NetworkCase | Decision

PASSED, KNOWN, REFUSED, WARNED, FAILED = "passed", "known", "refused", "warned", "failed"
OUTCOMES = (PASSED, KNOWN, REFUSED, WARNED, FAILED)


@dataclass(frozen=True)
class Verdict:
    """Say how a case came out.

    `outcome` is "passed"; "known", a departure that the backend lists; "refused", a combination that it declares it does not offer; "warned", a
    sharp case beyond its statistical radius; or "failed", which a listed difference is too when the backend follows the decision after all.
    `ratio` is the largest error over its bound, `seconds` what it took.
    """

    case: str
    level: str
    op: str
    outcome: str
    detail: str = ""
    ratio: float | None = None
    seconds: float = 0.0
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @property
    def failed(self) -> bool:
        """Tell whether the backend has to change, or its list of differences."""
        return self.outcome == FAILED


def check(case: AnyCase, target: Target, *, forward_only: bool = False) -> Verdict:
    """Run one case on a target; whatever the framework raises is a verdict, too."""
    start = time.perf_counter()
    known = differences.find(target, case.id)
    try:
        finding = find(case, target, forward_only=forward_only)
        outcome, detail = _outcome(case, finding, known)
    except UnsupportedError as refusal:
        finding, (outcome, detail) = Finding(), (REFUSED, str(refusal))
    except (BackendError, expected.Unsound):
        raise
    except Exception as error:  # a framework may fail in any way it likes, and the next case is another chance
        text = " ".join(f"{type(error).__name__}: {error}".split())
        finding = Finding(text[:600])
        outcome, detail = _outcome(case, finding, known)
    seconds = time.perf_counter() - start
    return Verdict(case.id, case.level, case.op, outcome, detail, finding.ratio, seconds, finding.arrays)


def find(case: AnyCase, target: Target, *, forward_only: bool = False) -> Finding:
    """Return what a target makes of a case; what the framework raises comes through."""
    with np.errstate(all="ignore"):
        if isinstance(case, Case):
            return levels.LEVELS[case.level](case, target, forward_only=forward_only)
        if isinstance(case, RelationCase):
            return relations.holds(case, target, forward_only=forward_only)
        if isinstance(case, NetworkCase):
            return networks.network(case, target, forward_only=forward_only)
        return decided(case, target, forward_only=forward_only)


def _outcome(case: AnyCase, finding: Finding, known: differences.Difference | None) -> tuple[str, str]:
    if finding.departure is None:
        if known is not None and known.strict:
            return FAILED, f"passes, but is listed as a known difference ({known.reason}). Take {known.case!r} off the list."
        return PASSED, ""
    if known is not None:
        return KNOWN, f"{known.reason} [{finding.departure}]"
    return (WARNED if case.level == "sharp" else FAILED), finding.departure


def results(case: AnyCase, target: Target) -> dict[str, Array] | None:
    """Return the arrays of which a case's digests are taken, or None if it has none.

    Those of an exact case are the oracle's, proven; those of an identical one the target's.
    """
    if isinstance(case, NetworkCase):
        return networks.proven(case) if case.level == "exact" else networks.results(case, target)
    if isinstance(case, Case) and case.level == "exact":
        dtype = np.dtype(case.dtype).type
        return {name: item.ball.value.astype(case.dtype) + dtype(0) for name, item in expected.proven(case).items()}
    if isinstance(case, Case) and case.level == "identical" and case.recipe not in levels.NOT_FINITE:
        data = case.data()
        return {**target.forward(case.setting, data, "identical"), **target.backward(case.setting, data, "identical")}
    return None
