"""Identical numerics on NumPy, whose digests the conformance kit holds all backends to: within bounds, exact, and the same by its fallback."""

from __future__ import annotations

import numpy as np
import pytest

import unicnn as un
from unicnn.conformance import expected, kit
from unicnn.conformance.case import Case
from unicnn.conformance.cases import CASES, SETTINGS
from unicnn.conformance.levels import within
from unicnn.conformance.target import Target
from unicnn.numerics.identical import selftest
from unicnn.ops import VOCABULARY

from .same import differing

IDENTICAL = [case for case in CASES if isinstance(case, Case) and case.level == "identical"]


@pytest.mark.parametrize("case", [case for case in IDENTICAL if case.recipe in ("normal", "wide")], ids=lambda case: case.id)
def test_case_is_within_its_bound_of_the_oracle(case: Case) -> None:
    target, data = Target("numpy"), case.data()
    computed = {**target.forward(case.setting, data, "identical"), **target.backward(case.setting, data, "identical")}
    with np.errstate(all="ignore"):
        wanted = {**expected.forward(case, normwise=True), **expected.backward(case, normwise=True)}
        finding = within(computed, expected.telling(case.id, wanted), "float32")
    assert finding.departure is None


@pytest.mark.parametrize("case", [case for case in IDENTICAL if case.recipe == "lattice"], ids=lambda case: case.id)
def test_case_is_exact_on_integers(case: Case) -> None:
    finding = kit.find(case, Target("numpy"))
    exact = kit.results(Case(case.setting, "exact", "lattice"), Target("numpy"))
    assert exact is not None
    assert [name for name, array in exact.items() if not np.array_equal(finding.arrays[name], array)] == []


@pytest.mark.parametrize("case", [case for case in IDENTICAL if "conv" in case.op], ids=lambda case: case.id)
def test_columns_and_a_matrix_product_give_the_same_bytes(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.check(case, Target("numpy"))  # the self-test has its verdict
    monkeypatch.setattr(selftest, "_verdicts", dict.fromkeys(selftest._verdicts, selftest.CONVOLUTIONS))
    verdict = kit.check(case, Target("numpy"))
    assert verdict.outcome == kit.PASSED, verdict.detail


def test_no_op_is_left_out() -> None:
    covered = {type(setting.op).__name__ for setting in SETTINGS}
    assert set(VOCABULARY) <= covered
    assert {"CrossEntropy", "SquaredError"} <= covered


@pytest.mark.parametrize("name", ["lenet", "inception-block"])
def test_one_weight_changes_the_bytes_of_a_network(name: str, backend: str) -> None:
    model = un.zoo.get(name)
    x = np.random.default_rng(0).random((2, *model.input_shape), np.float32)
    programs = [un.lower(model, chosen, numerics="identical") for chosen in ("numpy", backend)]
    wanted, found = (program.outputs(x) for program in programs)
    assert differing(found, wanted) == []
    weights = programs[1].weights()
    first = next(key for key in weights if key.endswith(".weight"))
    weights[first].flat[0] *= np.float32(1.01)
    programs[1].load(weights)
    assert differing({"output": programs[1](x)}, {"output": programs[0](x)}) == ["output"]
