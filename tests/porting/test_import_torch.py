"""Every ATen call that has a word: what it is lifted to computes what PyTorch computes, values and gradients, in float64."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from unicnn.porting.reading import from_framework

from .proving import distances, outputs_of, worst
from .torch_families import CASES, FAMILIES, SHAPE, scrambled

CLOSE = 1e-10


@cache
def imported(family: str):
    return from_framework(scrambled(FAMILIES[family]()), SHAPE)


@cache
def found(family: str) -> dict[str, float]:
    return distances(imported(family))


@pytest.mark.parametrize(
    ("family", "place", "case"),
    [pytest.param(family, place, case, id=f"{family}-{case}") for family, cases in CASES.items() for place, case in enumerate(cases)],
)
def test_a_call_computes_what_pytorch_computes(family: str, place: int, case: str) -> None:
    assert imported(family).model.outputs[place][0] == case
    assert found(family)[f"output {place}"] < CLOSE


@pytest.mark.parametrize("family", FAMILIES)
def test_values_inside_and_gradients_are_those_of_pytorch(family: str) -> None:
    inner = {key: value for key, value in found(family).items() if not key.startswith("output")}
    assert "gradient input" in inner
    assert worst(inner)[1] < CLOSE, worst(inner)
    recording = imported(family).recording
    assert recording is not None
    for name, origin in imported(family).origins.items():
        if origin.constant is not None and recording.tape.constants[origin.constant].trainable:
            assert f"gradient {name}" in inner


@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_cases_are_the_same_function(family: str) -> None:
    """A family whose cases agree with one another would not notice an option that is ignored."""
    results = list(outputs_of(imported(family)).items())
    for place, (one, first) in enumerate(results):
        for other, second in results[:place]:
            close = first.shape == second.shape and bool(np.max(np.abs(first - second)) < 1e-6 * np.max(np.abs(first)))
            assert close == any({one, other} <= same for same in SAME), f"{one} and {other}"


SAME = (
    {"ReLU", "Threshold(0, 0)", "max(x, 0)", "max(zeros, x)", "clamp(min=0)"},
    {"ReLU6", "Hardtanh(0, 6)", "clamp(0, 6)"},
    {"Softmax", "Softmax2d"},
    {"LogSoftmax", "log softmax by hand"},
    {"SiLU", "swish by hand"},
    {"GELU", "GELU by hand"},
    {"GELU by tanh", "GELU by tanh by hand"},
    {"Hardswish", "hard swish by hand", "hard swish by hand, 1/6 rounded"},
    {"Flatten", "view(-1, 288)", "view(len(x), -1)"},
    {"swapaxes", "mT"},
    {"Flatten(1, 2)", "Flatten(1, -2)"},
    {"squeeze of one pixel", "squeeze axis by axis"},
)
"""Cases that are the same function in other words."""


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("pooling", "activation", "move", "reduction")])
def test_a_weight_that_is_a_little_off_is_seen(family: str) -> None:
    name = next(name for name, origin in imported(family).origins.items() if name.endswith(("weight", "scale")))
    assert worst(distances(imported(family), perturb=name))[1] > 1e-8
