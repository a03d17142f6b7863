"""The cases themselves: told apart, sound, and with the digests that the oracle gives."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from unicnn.conformance import digests, expected, kit, networks
from unicnn.conformance.case import Case, Setting
from unicnn.conformance.cases import CASES, SETTINGS
from unicnn.conformance.levels import NOT_FINITE
from unicnn.conformance.networks import NetworkCase
from unicnn.conformance.relations import RELATIONS
from unicnn.conformance.target import Target
from unicnn.numerics import bounds
from unicnn.ops import Conv2d, Linear

EXACT = [case for case in CASES if case.level == "exact"]


def test_cases_are_many_and_told_apart_by_their_ids() -> None:
    assert len(CASES) >= 3000
    assert len({case.id for case in CASES}) == len(CASES)
    assert min(Counter(case.level for case in CASES).values()) >= 60


def test_every_level_has_both_dtypes_where_both_are_judged() -> None:
    for level in ("exact", "bounded"):
        dtypes = Counter(case.dtype for case in CASES if case.level == level)
        assert min(dtypes["float32"], dtypes["float64"]) > 300


def test_every_contraction_has_canaries_and_a_sharp_case() -> None:
    for op in ("conv2d", "conv_transpose2d", "linear"):
        recipes = {(case.level, case.recipe) for case in CASES if isinstance(case, Case) and case.op == op}
        assert {("exact", "canary"), ("exact", "gradient-canary"), ("exact", "dyadic"), ("sharp", "normal")} <= recipes
    assert {"conv2d", "conv_transpose2d", "linear"} == {op for op in bounds.CONTRACTIONS if "gradient" not in op}


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.id)
def test_exact_case_is_proven_and_has_the_digest_of_the_oracle(case: Any) -> None:
    results = kit.results(case, Target("numpy"))
    assert results is not None
    assert digests.match(case.id, results)
    assert any(np.size(array) > 1 and np.ptp(array) > 0 for array in results.values())


def test_every_digest_belongs_to_a_case() -> None:
    wanted = {case.id for case in CASES if case.level in ("exact", "identical") and getattr(case, "recipe", None) not in NOT_FINITE}
    assert set(digests.recorded()) == wanted


def test_changing_one_element_changes_the_digest() -> None:
    case = EXACT[0]
    results = kit.results(case, Target("numpy"))
    assert results is not None
    name = digests.ordered(results)[0]
    results[name].flat[0] += 1
    assert not digests.match(case.id, results)
    assert name in digests.describe(case.id, results)


def test_a_sum_too_long_for_the_lattice_is_called_unsound() -> None:
    case = Case(Setting("too-long", Linear(1), ((1_200_000,),), exact=True), "exact", "lattice")
    with pytest.raises(expected.Unsound, match=r"the output is not provably exact, for its terms may add up to .* Use fewer terms"):
        expected.proven(case)


def test_an_exact_case_that_no_digest_is_recorded_of_is_judged_by_the_oracle() -> None:
    case = Case(Setting("mine", Conv2d(2, 3), ((2, 5, 5),), exact=True), "exact", "lattice")
    assert kit.check(case, Target("numpy")).outcome == kit.PASSED


def test_a_case_of_constants_is_called_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    from unicnn.conformance import recipes

    monkeypatch.setitem(recipes.RECIPES, "zeros", lambda stream, wanted: np.zeros(wanted.shape))
    case = Case(Setting("nothing", Conv2d(2, 3), ((2, 5, 5),), exact=True), "bounded", "zeros")
    with pytest.raises(expected.Unsound, match="all results are constant, so the case proves nothing"):
        kit.check(case, Target("numpy"))


def test_a_network_with_too_long_sums_is_called_unsound_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(networks.BITS, "float32", 16)  # as if float32 held no larger numbers
    with pytest.raises(
        expected.Unsound, match=r"lenet/exact-0-float32: linear1 \(Linear 128\) is not provably exact: the terms of its output may"
    ):
        networks.proven(NetworkCase("lenet", "exact"))


def test_relations_are_stated_and_all_are_used() -> None:
    used = Counter(case.relation.name for case in CASES if case.level == "relations")  # type: ignore[union-attr]
    assert set(used) == {relation.name for relation in RELATIONS}
    assert all(len(relation.statement) > 15 for relation in RELATIONS)


def test_settings_hold_nothing_of_a_framework() -> None:
    assert len(SETTINGS) > 200
    assert {type(setting.op).__module__.partition(".")[0] for setting in SETTINGS} == {"unicnn"}
