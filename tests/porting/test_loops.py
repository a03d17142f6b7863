"""Emitted training loops, run as they are written, against unicnn's own training: every loss and every weight, in float64."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from tests.porting.loops import COUNT, EPOCHS, NAMES, SIZE, batches, linted, recipe, start, told, trained
from tests.training.small import difference

BOUND = 1e-10
"""Of the largest entry."""
SEEN = 1e-6
STEPS = EPOCHS * -(-COUNT // SIZE)


def run(source: str, net: Any, of: Any, last: bool = False) -> Any:
    """Return the losses of an emitted loop."""
    names: dict[str, Any] = {}
    exec(compile(source, "emitted", "exec"), names)
    return np.array(names["train"](net, batches(of, last), EPOCHS))


def check(name: str, found: dict[str, Any], bound: float = BOUND) -> None:
    expected = trained(name)
    assert found.keys() == expected.keys()
    assert found["losses"].shape == (STEPS,)
    for part, array in expected.items():
        assert found[part].dtype == np.float64, part
        assert difference(found[part], array) < bound, part


@pytest.mark.parametrize("name", NAMES)
def test_another_recipe_would_be_seen(name: str) -> None:
    mine, other, begun = trained(name), trained(name, other=True), start()
    for part in ("conv1.weight", "conv1.bias", "norm1.shift", "linear1.weight"):
        assert difference(mine[part], other[part]) > SEEN, part
        assert difference(begun[part], mine[part]) > 1e-3, part


PLUGINS = ["torch", "tensorflow", "mxnet", "numpy", "jax"]
OUTSIDE = Path(__file__).parents[2] / "examples" / "your_own_backend"


def loop(plugin: str) -> Any:
    """Return a plugin's module, which needs no framework; the one of JAX need not be installed either."""
    with patch.object(sys, "path", [*sys.path, str(OUTSIDE)]):
        return importlib.import_module(f"unicnn_{plugin}.loop")


# PyTorch


def torch_net() -> tuple[Any, dict[str, Any]]:
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.BatchNorm2d(3, eps=2**-7), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 6)
    ).double()
    places = {"conv1.weight": net[0].weight, "conv1.bias": net[0].bias, "norm1.scale": net[2].weight, "norm1.shift": net[2].bias}
    places |= {"linear1.weight": net[5].weight, "linear1.bias": net[5].bias}
    with torch.no_grad():
        for name, parameter in places.items():
            parameter.copy_(torch.from_numpy(start()[name]))
    return net, places


@pytest.mark.parametrize("name", NAMES)
def test_a_torch_loop_trains_as_unicnn_does(name: str) -> None:
    pytest.importorskip("torch")
    from unicnn_torch.loop import training

    net, places = torch_net()
    losses = run(training(recipe(name)), net, recipe(name))
    check(name, {"losses": losses} | {place: parameter.detach().numpy() for place, parameter in places.items()})


TOLD = ["SGD", "means over batches", "the sum as it is", "the squared error"]


@pytest.mark.parametrize("name", TOLD)
def test_a_torch_loop_prints_what_unicnn_reports(name: str, capsys: Any) -> None:
    pytest.importorskip("torch")
    from unicnn_torch.loop import training

    run(training(recipe(name)), torch_net()[0], recipe(name))
    assert capsys.readouterr().out == told(name)


# Keras, whose rates and betas are float32


def keras_net() -> tuple[Any, dict[str, Any]]:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    wide, layers = {"dtype": "float64"}, keras.layers
    net = keras.Sequential(
        [
            layers.Input((8, 8, 2), **wide),
            layers.Conv2D(3, 3, activation="relu", **wide),
            layers.BatchNormalization(epsilon=2**-7, **wide),
            layers.MaxPooling2D(2, **wide),
            layers.Permute((3, 1, 2), **wide),
            layers.Flatten(**wide),
            layers.Dense(6, **wide),
        ]
    )
    begun = start()
    conv, norm, dense = net.layers[0], net.layers[1], net.layers[-1]
    conv.set_weights([begun["conv1.weight"].transpose(2, 3, 1, 0), begun["conv1.bias"]])
    dense.set_weights([begun["linear1.weight"].T, begun["linear1.bias"]])
    return net, {"conv1": conv, "norm1": norm, "linear1": dense}


def keras_weights(places: dict[str, Any]) -> dict[str, Any]:
    (kernel, conv_bias), (matrix, dense_bias) = places["conv1"].get_weights(), places["linear1"].get_weights()
    found = {"conv1.weight": kernel.transpose(3, 2, 0, 1), "conv1.bias": conv_bias}
    found |= dict(zip(("norm1.scale", "norm1.shift"), places["norm1"].get_weights()[:2], strict=True))
    return found | {"linear1.weight": matrix.T, "linear1.bias": dense_bias}


@pytest.fixture
def eager() -> Iterator[None]:
    """Run what tf.function decorates as Python: compiling takes longer than twenty steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", NAMES)
def test_a_keras_loop_trains_as_unicnn_does(name: str) -> None:
    pytest.importorskip("keras")
    from unicnn_tensorflow.loop import training

    net, places = keras_net()
    losses = run(training(recipe(name)), net, recipe(name), last=True)
    check(name, {"losses": losses} | keras_weights(places))


@pytest.mark.parametrize(
    "name", ["SGD", "a short batch divided by the nominal size", "AdamW that spares biases, eps before the correction"]
)
def test_a_compiled_keras_loop_trains_as_unicnn_does(name: str) -> None:
    test_a_keras_loop_trains_as_unicnn_does(name)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", TOLD)
def test_a_keras_loop_prints_what_unicnn_reports(name: str, capsys: Any) -> None:
    pytest.importorskip("keras")
    from unicnn_tensorflow.loop import training

    run(training(recipe(name)), keras_net()[0], recipe(name), last=True)
    assert capsys.readouterr().out == told(name)


# Gluon, whose fused updates hold every number in float32


def gluon_net() -> tuple[Any, dict[str, Any]]:
    from unicnn_mxnet.compat import mx

    nn = mx.gluon.nn
    net = nn.Sequential()
    net.add(
        nn.Conv2D(3, 3, activation="relu", in_channels=2),
        nn.BatchNorm(epsilon=2**-7, in_channels=3),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(6, in_units=27),
    )
    net.cast("float64")
    net.initialize()
    conv, norm, dense = net[0], net[1], net[4]
    places = {"conv1.weight": conv.weight, "conv1.bias": conv.bias, "norm1.scale": norm.gamma, "norm1.shift": norm.beta}
    places |= {"linear1.weight": dense.weight, "linear1.bias": dense.bias}
    for name, parameter in places.items():
        parameter.set_data(mx.nd.array(start()[name], dtype="float64"))
    return net, places


@pytest.mark.parametrize("name", NAMES)
def test_a_gluon_loop_trains_as_unicnn_does(name: str) -> None:
    pytest.importorskip("unicnn_mxnet")
    from unicnn_mxnet.loop import training

    net, places = gluon_net()
    source = training(recipe(name))
    losses = run(source, net, recipe(name))
    # MXNet's Adam rounds the size of a step, and everything that follows from it, to float32.
    bound = 2**-24 if '"adam"' in source else BOUND
    check(name, {"losses": losses} | {place: parameter.data().asnumpy() for place, parameter in places.items()}, bound)


@pytest.mark.parametrize("name", TOLD)
def test_a_gluon_loop_prints_what_unicnn_reports(name: str, capsys: Any) -> None:
    pytest.importorskip("unicnn_mxnet")
    from unicnn_mxnet.loop import training

    run(training(recipe(name)), gluon_net()[0], recipe(name))
    assert capsys.readouterr().out == told(name)


# NumPy, of a network that is written out


class Written:
    """Be the network of NETWORK in NumPy, by einsum over windows."""

    def __init__(self) -> None:
        held = ("mean", "var")
        self.parameters = {name: array for name, array in start().items() if name.rpartition(".")[2] not in held}
        self.gradients: dict[str, Any] = {}

    def __call__(self, x: Any, training: bool = False) -> Any:
        assert training
        p = self.parameters
        self.windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        self.relu = np.maximum(np.einsum("nchwkl,ockl->nohw", self.windows, p["conv1.weight"]) + p["conv1.bias"][:, None, None], 0)
        centered = self.relu - self.relu.mean((0, 2, 3), keepdims=True)
        self.deviation = np.sqrt((centered**2).mean((0, 2, 3), keepdims=True) + 2**-7)
        self.normal = centered / self.deviation
        shifted = self.normal * p["norm1.scale"][:, None, None] + p["norm1.shift"][:, None, None]
        self.cells = shifted.reshape(len(x), 3, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(len(x), 27, 4)
        self.flat = self.cells.max(2)
        return self.flat @ p["linear1.weight"].T + p["linear1.bias"]

    def backward(self, dscores: Any) -> None:
        p, n = self.parameters, len(dscores)
        g = {"linear1.weight": dscores.T @ self.flat, "linear1.bias": dscores.sum(0)}
        best = np.arange(4) == self.cells.argmax(2)[:, :, None]
        cells = np.where(best, (dscores @ p["linear1.weight"])[:, :, None], 0.0)
        dy = cells.reshape(n, 3, 3, 3, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 3, 6, 6)
        g |= {"norm1.scale": (dy * self.normal).sum((0, 2, 3)), "norm1.shift": dy.sum((0, 2, 3))}
        dn = dy * p["norm1.scale"][:, None, None]
        along = self.normal * (dn * self.normal).mean((0, 2, 3), keepdims=True)
        dx = (dn - dn.mean((0, 2, 3), keepdims=True) - along) / self.deviation * (self.relu > 0)
        g |= {"conv1.weight": np.einsum("nohw,nchwkl->ockl", dx, self.windows), "conv1.bias": dx.sum((0, 2, 3))}
        self.gradients = {name: g[name] for name in p}


@pytest.mark.parametrize("name", NAMES)
def test_a_numpy_loop_trains_as_unicnn_does(name: str) -> None:
    pytest.importorskip("unicnn_numpy")
    from unicnn_numpy.loop import training

    net = Written()
    losses = run(training(recipe(name)), net, recipe(name))
    check(name, {"losses": losses} | net.parameters)


@pytest.mark.parametrize("name", TOLD)
def test_a_numpy_loop_prints_what_unicnn_reports(name: str, capsys: Any) -> None:
    pytest.importorskip("unicnn_numpy")
    from unicnn_numpy.loop import training

    run(training(recipe(name)), Written(), recipe(name))
    assert capsys.readouterr().out == told(name)


# JAX, in an environment of its own

QUICK = [
    "SGD that looks ahead from a velocity, its rate changing",
    "AdamW that spares biases, eps before the correction",
    "RMSProp with a buffer and decay",
    "a short batch clipped by the nominal size",
    "a warm-up, then steps of epochs",
]
"""XLA compiles some seconds for each; the others run with the slow tests."""


@pytest.fixture
def wide() -> Iterator[None]:
    """Let JAX have float64."""
    pytest.importorskip("flax")
    pytest.importorskip("optax")
    import jax

    with jax.enable_x64(True):
        yield


def jax_net() -> tuple[Any, dict[str, Any]]:
    import jax.numpy as jnp
    from flax import nnx

    kinds = {"dtype": jnp.float64, "param_dtype": jnp.float64, "rngs": nnx.Rngs(0)}

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.conv1 = nnx.Conv(2, 3, (3, 3), padding="VALID", **kinds)
            self.norm1 = nnx.BatchNorm(3, epsilon=2**-7, **kinds)
            self.norm1.mean, self.norm1.var = nnx.BatchStat(jnp.zeros(3)), nnx.BatchStat(jnp.ones(3))  # Flax's are float32
            self.linear1 = nnx.Linear(27, 6, **kinds)

        def __call__(self, x: Any) -> Any:
            x = self.norm1(nnx.relu(self.conv1(x)))
            x = nnx.max_pool(x, (2, 2), (2, 2)).transpose(0, 3, 1, 2)
            return self.linear1(x.reshape(len(x), -1))

    net, begun = Net(), start()
    places = {"conv1.weight": net.conv1.kernel, "conv1.bias": net.conv1.bias, "norm1.scale": net.norm1.scale, "norm1.shift": net.norm1.bias}
    places |= {"linear1.weight": net.linear1.kernel, "linear1.bias": net.linear1.bias}
    orders = {"conv1.weight": (2, 3, 1, 0), "linear1.weight": (1, 0)}
    for name, place in places.items():
        place[...] = jnp.asarray(begun[name].transpose(orders.get(name, (0,))))
    return net, places


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_a_jax_loop_trains_as_unicnn_does(name: str) -> None:
    from unicnn_jax.loop import training

    net, places = jax_net()
    losses = run(training(recipe(name)), net, recipe(name), last=True)
    backs = {"conv1.weight": (3, 2, 0, 1), "linear1.weight": (1, 0)}
    found = {name: np.asarray(place[...]).transpose(backs.get(name, (0,))) for name, place in places.items()}
    check(name, {"losses": losses} | found)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", TOLD[1:2])
def test_a_jax_loop_prints_what_unicnn_reports(name: str, capsys: Any) -> None:
    from unicnn_jax.loop import training

    run(training(recipe(name)), jax_net()[0], recipe(name), last=True)
    assert capsys.readouterr().out == told(name)


# All of them


@pytest.mark.parametrize("plugin", PLUGINS)
def test_emitted_loops_are_formatted_and_lint_free(plugin: str, tmp_path: Any) -> None:
    training = loop(plugin).training
    assert not linted(tmp_path, {name: training(recipe(name)) for name in NAMES})
