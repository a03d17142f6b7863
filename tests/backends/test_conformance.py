"""Every case of the kit on every backend: outputs and all gradients, float32 and float64, exact or within the bound."""

from __future__ import annotations

import pytest

from unicnn.conformance import kit
from unicnn.conformance.case import Case
from unicnn.conformance.cases import CASES

TRIALS = [
    pytest.param(case, dtype, recipe, id=f"{case.path}-{what}-{dtype}")
    for case in CASES
    for dtype in ("float32", "float64")
    for recipe, what in (
        ("lattice", "is-exact-on-integers"),
        ("normal", "is-within-its-bound"),
        ("wide", "is-within-its-bound-over-magnitudes"),
    )
    if (recipe != "lattice" or case.exact) and (recipe != "wide" or dtype == "float32")
]


@pytest.mark.parametrize(("case", "dtype", "recipe"), TRIALS)
def test_case(case: Case, dtype: str, recipe: str, backend: str) -> None:
    kit.run(case, backend, dtype=dtype, recipe=recipe)


def test_case_names_are_unique() -> None:
    paths = [case.path for case in CASES]
    assert len(paths) > 200
    assert sorted(paths) == sorted(set(paths))
