"""What counts as a fault: errors beyond the bound, wrong shapes and exceptions; not what lies outside the range of which bounds speak."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unicnn.conformance import differences
from unicnn.conformance.fuzzing import campaign, judging
from unicnn.conformance.fuzzing.judging import ALL, differing
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.errors import InputError, UnsupportedError
from unicnn.numerics.ball import Ball

from .spots import SPOTS

Array = np.ndarray[Any, Any]

LARGEST = np.float32(np.finfo(np.float32).max)
BALL = Ball(np.array([1.0, 2.0]), np.array([1e-6, 1e-6]))
OVERFLOWING = Ball(np.array([1.0, 2.0]), np.array([1e-6, 1e32]))


@pytest.mark.parametrize(
    ("found", "ball", "kind"),
    [
        pytest.param([1.0, 2.0], BALL, None, id="right"),
        pytest.param([1.0, 2.001], BALL, "output", id="beyond-the-bound"),
        pytest.param([1.0, np.nan], BALL, "output", id="not-a-number"),
        pytest.param([[1.0, 2.0]], BALL, "shape of output", id="of-another-shape"),
        pytest.param([1.0, np.inf], OVERFLOWING, None, id="infinite-where-a-sum-may-overflow"),
        pytest.param([1.1, np.inf], OVERFLOWING, "output", id="wrong-beside-an-overflow"),
    ],
)
def test_a_result_is(found: list[Any], ball: Ball, kind: str | None) -> None:
    assert judging.fault_of("output", np.array(found, np.float32), ball) == kind


def test_a_strict_judge_takes_an_overflow_for_wrong() -> None:
    assert judging.fault_of("output", np.array([1, np.inf], np.float32), OVERFLOWING, strict=True) == "output"


def changed(name: str, change: Callable[[Array], Array]) -> Spot:
    spot = SPOTS[name]
    return spot.replaced({"input": change(spot.inputs[0].copy()).astype(np.float32)})


@pytest.mark.parametrize(
    ("name", "factor", "yes"),
    [
        pytest.param("conv2d", 2.0**100, True, id="a-convolution-of-large-numbers"),
        pytest.param("gelu-tanh", 2.0**30, True, id="a-formula-of-moderate-numbers"),
        pytest.param("gelu-tanh", 2.0**100, False, id="a-formula-of-large-numbers"),
        pytest.param("relu", np.inf, False, id="infinities"),
    ],
)
def test_the_bounds_speak_of(name: str, factor: float, yes: bool) -> None:
    with np.errstate(invalid="ignore"):
        assert judging.judgeable(changed(name, lambda x: x * factor)) == yes


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        pytest.param("conv2d", 2.0**-127, False, id="a-subnormal-number-is-made-zero"),
        pytest.param("conv2d", 2.0**-100, True, id="a-small-factor-stays"),
        pytest.param("layer_norm", 2.0**-100, False, id="a-small-number-in-a-formula-is-made-zero"),
        pytest.param("layer_norm", 2.0**-50, True, id="a-moderate-number-in-a-formula-stays"),
    ],
)
def test_cleaning(name: str, value: float, kept: bool) -> None:
    spot = changed(name, lambda x: np.full_like(x, value))
    clean = judging.cleaned(spot)
    assert (clean.inputs[0][0, 0, 0, 0] != 0) == kept
    assert judging.was_cleaned(spot, clean) != kept


@pytest.mark.parametrize("name", SPOTS)
def test_a_right_layer_has_no_fault(name: str, backend: str) -> None:
    assert judging.native(SPOTS[name], backend) == []


@pytest.mark.parametrize("name", ["conv2d", "layer_norm", "dropout", "batch_norm2d-training", "cross_entropy"])
def test_identical_numerics_have_no_fault_in(name: str) -> None:
    from unicnn import plugins

    assert judging.identical(SPOTS[name], plugins.usable()) == []


ONE, OTHER, ZERO = (np.array([value], np.float32) for value in (1.0, 2.0, -0.0))
OVERFLOW = InputError("too large")


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        pytest.param({"a": {"output": ONE}, "b": {"output": ONE}, "c": {"output": ONE}}, [], id="the-same-everywhere"),
        pytest.param({"a": {"output": ONE}, "b": {"output": OTHER}, "c": {"output": ONE}}, [("b", "bytes of output")], id="one-differs"),
        pytest.param({"a": {"output": ONE}, "b": ValueError(), "c": {"output": ONE}}, [("b", "ValueError")], id="one-raises"),
        pytest.param({"a": OVERFLOW, "b": OVERFLOW, "c": OVERFLOW}, [], id="all-report-an-overflow"),
        pytest.param({"a": {"output": ONE}, "b": OVERFLOW, "c": {"output": ONE}}, [("b", "InputError")], id="one-reports-an-overflow"),
        pytest.param({"a": {"output": ONE}, "b": UnsupportedError(""), "c": {"output": ONE}}, [], id="one-declares-that-it-cannot"),
        pytest.param({"a": {"output": ZERO}, "b": {"output": ZERO}}, [(ALL, "canonical form of output")], id="minus-zero-everywhere"),
        pytest.param(
            {"a": {"output": ONE * np.inf}, "b": {"output": ONE}}, [("b", "bytes of output"), ("a", "finiteness of output")], id="infinite"
        ),
    ],
)
def test_bytes_under_identical_numerics(found: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert [(fault.backend, fault.kind) for fault in differing(found, lambda _: "ReLU")] == faults


def test_a_known_difference_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known:
        def covers(self, path: str) -> bool:
            return path == "fuzz/max_pool2d"

    monkeypatch.setattr(differences, "known", lambda backend: (Known(),) if backend == "mxnet" else ())
    fault = Fault("mxnet", "native", "MaxPool2d", "output")
    assert campaign.known(fault)
    assert not campaign.known(dataclasses.replace(fault, backend="torch"))
    assert not campaign.known(dataclasses.replace(fault, op="AvgPool2d"))
    assert not campaign.known(dataclasses.replace(fault, level="identical"))
