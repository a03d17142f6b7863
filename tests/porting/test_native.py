"""A program becomes its framework's own object: of the right class, with the program's weights, computing the same."""

from __future__ import annotations

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.errors import UnsupportedError

CLASSES = {
    "torch": "torch.nn.modules.module.Module",
    "tensorflow": "keras.src.models.model.Model",
    "mxnet": "mxnet.gluon.block.HybridBlock",
}


def model() -> un.Model:
    layers = [un.Conv2d(4, 3, stride=2, padding=1), un.BatchNorm2d(), un.ReLU(), un.MaxPool2d(2), un.Flatten(), un.Linear(5)]
    return un.Sequential(layers, input=(2, 9, 9), name="small")


def computed(net: object, backend: str, x: np.ndarray) -> np.ndarray:
    """Return what an object of a framework gives in float64."""
    info = plugins.dialect(backend)
    place = (0, 2, 3, 1) if info.channels_last else (0, 1, 2, 3)
    given = np.ascontiguousarray(x.transpose(place))
    recording = info.importer().record(net, (given.shape,), training=False)
    return recording.runner.run([given], [np.ones((len(x), 5))], "float64").outputs[0]


def test_the_object_is_the_framework_s_own_and_computes_the_same(backend: str) -> None:
    if backend == "jax":
        pytest.skip("the plugin for JAX has tests of its own")
    weights = un.initial_weights(un.infer(model()), 3)
    net = un.lower(model(), backend, weights=weights).to_native()
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(net).__mro__]
    assert CLASSES.get(backend, names[0]) in names
    x = np.random.default_rng(0).normal(size=(3, 2, 9, 9))
    exact = un.lower(model(), "numpy", numerics="float64", weights=weights)(x)
    found = computed(net, backend, x)
    assert np.abs(found - exact).max() <= 1e-10 * np.abs(exact).max()
    other = un.lower(model(), backend, seed=4).to_native()
    assert np.abs(computed(other, backend, x) - exact).max() > 1e-3 * np.abs(exact).max()


def test_a_backend_without_a_dialect_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    program = un.lower(model(), "numpy")
    monkeypatch.setattr(plugins, "dialects", dict)
    with pytest.raises(UnsupportedError, match="brings no dialect"):
        program.to_native()
