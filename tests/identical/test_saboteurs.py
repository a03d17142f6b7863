"""Arithmetic that is wrong on purpose, in four ways that look right: each is caught."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.conformance.cases import SETTINGS
from unicnn.numerics.identical import bound, functions, rounded, selftest

from .same import differing, same, setting_results

x = np.random.default_rng(0).standard_normal((4, 16, 9, 9)).astype(np.float32)
CONVOLUTION = un.Sequential([un.Conv2d(6, 3)], input=(16, 9, 9))


@pytest.fixture
def sabotaged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that replaces a primitive or a function of every table made from now on."""

    def sabotage(name: str, make: Any, *, op: bool = False) -> None:
        build = bound.Table.__init__

        def init(self: Any, *arguments: Any) -> None:
            build(self, *arguments)
            if op:
                self.ops = SimpleNamespace(**(vars(self.ops) | {name: make(getattr(self.ops, name), self)}))
            else:
                setattr(self, name, make(getattr(self, name), self))

        monkeypatch.setattr(bound.Table, "__init__", init)

    return sabotage


def in_float32(convolve: Any, t: Any) -> Any:
    """Return a convolution that adds up in float32, as PyTorch does natively."""

    def conv2d(x: Any, weight: Any, bias: Any, **attributes: Any) -> Any:
        return convolve(x.float(), weight.float(), None, **attributes).double()

    return conv2d


def test_sums_in_plain_float32_are_found_by_the_self_test_and_replaced(sabotaged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    wanted = un.lower(CONVOLUTION, "torch", numerics="identical")(x)
    monkeypatch.setattr(selftest, "_verdicts", {})
    sabotaged("conv2d", in_float32, op=True)
    program = un.lower(CONVOLUTION, "torch", numerics="identical")
    assert list(selftest._verdicts.values()) == [("conv2d",)]
    assert same(program(x), wanted)


def test_sums_in_plain_float32_change_the_bytes(sabotaged: Any) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    wanted = un.lower(CONVOLUTION, "torch", numerics="identical")(x)
    sabotaged("conv2d", in_float32, op=True)
    assert not same(un.lower(CONVOLUTION, "torch", numerics="identical")(x), wanted)


def test_a_matrix_product_in_plain_float32_is_refused(sabotaged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_verdicts", {})
    sabotaged("linear", lambda honest, t: lambda x, w, b: honest(x.astype(np.float32), w.astype(np.float32), b).astype(np.float64), op=True)
    with pytest.raises(un.errors.UnsupportedError, match=r"linear is missing or not exact on whole numbers"):
        un.lower(CONVOLUTION, "numpy", numerics="identical")


@pytest.mark.parametrize("op", ["softmax", "elu", "log_softmax", "cross_entropy"])
def test_the_exponential_function_of_a_library_changes_the_bytes_of(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = next(setting for setting in SETTINGS if setting.op.lowering() == op)
    wanted = setting_results(setting, "normal", "numpy")

    def of_numpy(name: str) -> Any:
        return lambda x: rounded.Rounded(x.t, getattr(np, name)(x.raw))

    for name in ("exp", "expm1"):
        monkeypatch.setattr(rounded, name, of_numpy(name))
    assert differing(setting_results(setting, "normal", "numpy"), wanted) != []


def fused(narrow: Any, t: Any) -> Any:
    """Return a `narrow` whose x*gain + offset is one fused multiply-add: with the product's own rounding error, by Dekker's splitting."""

    def halves(value: Any) -> Any:
        scaled = value * (2.0**27 + 1)
        high = scaled - (scaled - value)
        return high, value - high

    def fused_narrow(x: Any, *, gain: Any = None, offset: Any = None, least: Any = None) -> Any:
        if gain is None:
            return narrow(x, offset=offset, least=least)
        x = x.astype(np.float64)
        product = x * gain
        (xh, xl), (gh, gl) = halves(x), halves(np.asarray(gain))
        error = ((xh * gh - product) + xh * gl + xl * gh) + xl * gl
        return narrow((product + offset) + error)

    return fused_narrow


@pytest.mark.parametrize("exact", [True, False], ids=["an-exact-product-is-safe", "an-inexact-product-is-caught"])
def test_a_fused_multiply_add(exact: bool, sabotaged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel x*gain by the offset: only what the product lost remains, and it loses nothing if the gain is rounded to float32."""
    values = np.random.default_rng(0).standard_normal(9).astype(np.float32)
    honest = functions.prepare

    def prepare(key: str, held: Any, eps: float) -> Any:
        gain = honest("gain", held, eps) if exact else 1 / np.sqrt(held["var"].astype(np.float64) + eps)
        return gain if key == "gain" else -(values.astype(np.float64) * gain)

    monkeypatch.setattr(functions, "prepare", prepare)
    model = un.Sequential([un.BatchNorm2d(scale=False, shift=False)], input=(9, 1, 2))
    weights = {"norm1.mean": np.zeros(9, np.float32), "norm1.var": np.linspace(1, 3, 9, dtype=np.float32)}
    data = np.stack([values, values + 1], 1).reshape(1, 9, 1, 2)
    plain = un.lower(model, "numpy", numerics="identical", weights=weights)
    wanted = plain(data)
    sabotaged("narrow", fused)
    program = un.lower(model, "numpy", numerics="identical", weights=weights)
    assert np.ptp(wanted) > 0
    assert same(program(data), wanted) == exact


def test_leaving_subnormals_as_they_are_is_caught(sabotaged: Any) -> None:
    model = un.Sequential([un.Conv2d(2, 1)], input=(1, 2, 2))
    weights = {"conv1.weight": np.full((2, 1, 1, 1), 0.75, np.float32), "conv1.bias": np.zeros(2, np.float32)}
    tiny = np.full((2, 1, 2, 2), 2.0**-126, np.float32)
    tiny[0] = 1
    wanted = un.lower(model, "numpy", numerics="identical", weights=weights)(tiny)

    def careless(narrow: Any, t: Any) -> Any:
        return lambda x, *, gain=None, offset=None, least=None: np.asarray(x + (0 if offset is None else offset), np.float32)

    sabotaged("narrow", careless)
    found = un.lower(model, "numpy", numerics="identical", weights=weights)(tiny)
    assert not same(found, wanted)
    assert np.count_nonzero(wanted) == 8
    assert np.count_nonzero(found) == 16
