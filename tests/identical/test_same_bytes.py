"""Every op of the vocabulary and both losses, forward and backward: the same bytes on every backend as on NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.conformance import kit
from unicnn.conformance.case import Case
from unicnn.conformance.cases import CASES
from unicnn.numerics.identical import selftest
from unicnn.ops import VOCABULARY

from .same import case_results, differing, tells

TRIALS = [pytest.param(case, recipe, id=f"{case.path}-on-{recipe}-values") for case in CASES for recipe in ("normal", "wide", "lattice")]


@cache
def reference(case: Case, recipe: str) -> dict[str, Any]:
    return case_results(case, recipe, "numpy")


@pytest.mark.parametrize(("case", "recipe"), TRIALS)
def test_case_gives_the_same_bytes_as_on_numpy(case: Case, recipe: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = reference(case, recipe)
    if backend == "numpy":  # with itself it would agree in any case: compare with columns and its matrix product alone
        monkeypatch.setattr(selftest, "_verdicts", dict.fromkeys(selftest._verdicts, selftest.CONVOLUTIONS))
    assert differing(case_results(case, recipe, backend), wanted) == []
    assert tells(wanted)


@pytest.mark.parametrize("recipe", ["normal", "wide"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_case_is_within_its_bound_of_the_oracle(case: Case, recipe: str) -> None:
    kit.run(case, "numpy", recipe=recipe, numerics="identical")


@pytest.mark.parametrize("case", [case for case in CASES if case.exact], ids=lambda case: case.path)
def test_case_is_exact_on_integers(case: Case) -> None:
    kit.run(case, "numpy", recipe="lattice", numerics="identical")


def test_no_op_is_left_out() -> None:
    covered = {type(case.op).__name__ for case in CASES}
    assert set(VOCABULARY) <= covered
    assert {"CrossEntropy", "SquaredError"} <= covered


@pytest.mark.parametrize("name", ["lenet", "inception-block"])
def test_network_of_the_zoo_gives_the_same_bytes_and_one_weight_changes_them(name: str, backend: str) -> None:
    model = un.zoo.get(name)
    x = np.random.default_rng(0).random((3, *model.input_shape), np.float32)
    programs = [un.lower(model, chosen, numerics="identical") for chosen in ("numpy", backend)]
    wanted, found = (program.outputs(x) for program in programs)
    assert differing(found, wanted) == []
    weights = programs[1].weights()
    first = next(key for key in weights if key.endswith(".weight"))
    weights[first].flat[0] *= np.float32(1.01)
    programs[1].load(weights)
    assert differing({"output": programs[1](x)}, {"output": programs[0](x)}) == ["output"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tf-cnn", "vgg11-quarter", "nin", "resnet18"])
def test_large_network_of_the_zoo_gives_the_same_bytes(name: str, backend: str) -> None:
    model = un.zoo.get(name)
    x = np.random.default_rng(0).random((2, *model.input_shape), np.float32)
    labels = np.array([3, 7])
    results = []
    for chosen in ("numpy", backend):
        program = un.lower(model, chosen, numerics="identical")
        loss, gradients = program.gradients(x, labels, mode="training")
        results.append({**program.outputs(x), "loss": np.float32(loss), **gradients})
    assert differing(results[1], results[0]) == []
    assert tells(results[0])
