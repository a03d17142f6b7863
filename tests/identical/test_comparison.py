"""Comparing under identical numerics: bytes of every layer and gradient, and the first that breaks the promise by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.comparison.result import Row
from unicnn.numerics.identical import bound

NETWORK = un.Sequential([un.Conv2d(4, 3), un.Tanh(), un.MaxPool2d(2), un.Flatten(), un.Linear(5)], input=(2, 9, 9), name="small")
rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((3, 2, 9, 9)).astype(np.float32), np.array([0, 4, 2])


def test_all_backends_agree_on_the_bytes() -> None:
    if len(plugins.usable()) < 2:
        pytest.skip("one backend has nobody to agree with")
    result = un.compare(NETWORK, X, LABELS, numerics="identical")
    assert result.verdict == "agree"
    assert "and has the same bytes" in result.conclusion
    assert "same" in result.table()
    assert all(len(set(row.digests.values())) == 1 for row in (*result.layers, *result.gradients))
    assert set(json.loads(result.to_json())["layers"][0]["sha256"]) == set(plugins.usable())


def test_the_layer_that_breaks_the_promise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if len(plugins.usable()) < 3:
        pytest.skip("which of two backends is the odd one cannot be told")
    honest = bound.Identical.function
    odd = plugins.usable()[1]

    def function(self: Any, op: str, lowering: Any) -> Any:
        return lowering if (op, self.backend.info.name) == ("tanh", odd) else honest(self, op, lowering)

    monkeypatch.setattr(bound.Identical, "function", function)
    result = un.compare(NETWORK, X, numerics="identical")
    assert result.verdict == "diverged"
    assert result.first_divergence == "tanh1"
    assert result.conclusion.startswith(
        f"not identical: the first layer whose bytes differ is tanh1 (Tanh), on {odd}. Its error is within rounding"
    )
    assert f"{odd} differs" in result.table()


def test_native_numerics_promise_no_bytes() -> None:
    result = un.compare(NETWORK, X, backends=plugins.usable()[:1])
    assert not any(row.digests or row.odd for row in result.layers)
    assert "bytes" not in result.table()


def test_the_odd_one_is_who_differs_from_most() -> None:
    row = Row("conv1", "Conv2d", (1,), {}, {"a": "x", "b": "y", "c": "x"})
    assert row.odd == ("b",)
    assert dataclasses.replace(row, digests={"a": "x", "b": "x"}).odd == ()
