"""What is JAX's alone: what its compiler must not leave out, which dtypes it keeps, and whether it can use a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import unicnn_jax
from unicnn_jax import exact
from unicnn_jax.runtime import OPTIONS, Runtime

NUMBERS = np.random.default_rng(0).random(1000)


def compiled(function: Any) -> np.ndarray[Any, Any]:
    return np.asarray(jax.jit(function, compiler_options=OPTIONS)(NUMBERS))


def test_rounding_to_a_grid_that_is_constant_is_not_left_out() -> None:
    assert np.array_equal(compiled(lambda x: exact.snap(x, 1.5 * 2.0**44)), np.rint(NUMBERS * 256) / 256)


def test_rounding_to_float32_between_two_operations_is_not_left_out() -> None:
    assert np.array_equal(compiled(lambda x: exact.widen(exact.narrow(x)) * 3), NUMBERS.astype(np.float32).astype(np.float64) * 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("odd", [np.nan, -np.inf])
def test_what_is_not_finite_is_found_among_many(odd: float, dtype: str) -> None:
    many = np.random.default_rng(0).standard_normal((9, 9999)).astype(dtype)
    many[7, 777] = odd
    found = np.asarray(jax.jit(lambda x: exact.largest(x, (1,)))(many)).ravel()
    assert np.array_equal(found, np.abs(many).max(1), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_tensor_keeps_its_dtype_and_does_not_follow_its_array(dtype: str) -> None:
    runtime = Runtime("cpu", "float32")
    array = np.zeros(4096, dtype)
    tensor = runtime.tensor(array)
    array[:] = 1
    assert runtime.dtype_of(tensor) == dtype
    assert runtime.dtype_of(tensor * 2) == dtype
    assert not runtime.array(tensor).any()


@pytest.mark.parametrize(
    ("plugins", "gpus", "devices"),
    [
        pytest.param(["xla_cuda13"], ("cpu", "cuda"), ("cpu", "cuda"), id="a plugin and a GPU"),
        pytest.param(["xla_cuda12"], ("cpu",), ("cpu",), id="a plugin and no GPU"),
        pytest.param(["tpu"], ("cpu", "cuda"), ("cpu",), id="a GPU and a plugin for something else"),
        pytest.param([], ("cpu", "cuda"), ("cpu",), id="a GPU and no plugin"),
    ],
)
def test_a_gpu_needs_a_plugin_of_jax(plugins: list[str], gpus: Any, devices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unicnn_jax, "entry_points", lambda group: [SimpleNamespace(name=name) for name in plugins])
    monkeypatch.setattr(unicnn_jax, "cuda_or_cpu", lambda *needs: lambda: gpus)
    assert unicnn_jax.devices() == devices
