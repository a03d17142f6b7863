"""Special values: every backend follows the decision, or its known differences say why not; both are checked strictly."""

from __future__ import annotations

import pytest

from unicnn.conformance import differences
from unicnn.conformance.cases import CASES
from unicnn.conformance.special import SPECIALS, Special, check


@pytest.mark.parametrize("case", SPECIALS, ids=lambda case: case.path)
def test_the_decision_is_followed_or_the_difference_is_known(case: Special, backend: str) -> None:
    found, known = check(case, backend), differences.find(backend, case.path)
    if known is None:
        assert found is None, f"{case.question}: {found}, but it should be {case.decision}"
    elif not known.varies:
        assert found is not None, f"{case.path} passes, but is listed as a known difference: {known.reason}. Remove it from the list."


def test_no_known_difference_is_stale(backend: str) -> None:
    paths = [case.path for case in (*SPECIALS, *CASES)]
    stale = [item.case for item in differences.known(backend) if not any(item.covers(path) for path in paths)]
    assert stale == []


def test_every_known_difference_gives_its_reason(backend: str) -> None:
    assert [item.case for item in differences.known(backend) if len(item.reason) < 20 or not item.versions] == []


def test_cases_are_told_apart_by_name() -> None:
    paths = [case.path for case in SPECIALS]
    assert len(paths) >= 25
    assert sorted(paths) == sorted(set(paths))
