"""Emitted initialisers, run as they are written: what they draw has the spread that the recipe says, and what they set is that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from tests.porting.loops import linted
from tests.porting.test_loops import PLUGINS, loop
from unicnn.errors import UnsupportedError
from unicnn.initializers import PRESETS, Constant, Normal, Scaled, Uniform

SIZES = {"conv1": (8 * 9, 128 * 9, (128, 8, 3, 3)), "linear1": (200, 500, (500, 200))}
"""The fans of two layers, and the shapes of their weights."""
AFTER_CUT = {2.0: 0.8796256610342398, 3.0: 0.9866}
"""The deviation of a normal distribution that is cut there, times what it was."""
INITS: dict[str, Any] = {
    "PyTorch's": "torch",
    "Keras's": "keras",
    "Gluon's": "gluon",
    "a normal and a constant": {"weight": Normal(0.01), "bias": Constant(0.5)},
    "a cut normal and ones": {"weight": Normal(0.25, 2.0), "bias": Constant(1.0)},
    "He's normal": {"weight": Scaled(2.0, "in", "normal"), "bias": Constant(0.0)},
    "Glorot's normal and a normal": {"weight": Scaled(1.0, "avg", "normal"), "bias": Normal(0.5)},
    "a wider uniform, biases alike": {"weight": Scaled(1.5, "avg"), "bias": Scaled(1.5, "avg")},
    "a truncated normal by fan_out": {"weight": Scaled(2.0, "out", "truncated"), "bias": Constant(0.0)},
    "a normal by fan_in of biases": {"weight": Uniform(0.125), "bias": Scaled(1.0, "in", "normal")},
    "norms, too": {"weight": Constant(0.25), "bias": Constant(0.0), "scale": Uniform(2.0), "shift": Constant(0.5)},
}


def recipe(init: Any) -> un.Recipe:
    return un.Recipe(optimizer=un.SGD(0.5), batch_size=8, epochs=1, init=init)


def spread(rule: Any, layer: str) -> tuple[float, float]:
    """Return the deviation of what a rule draws, and the largest magnitude."""
    if isinstance(rule, Uniform):
        return rule.bound / math.sqrt(3), rule.bound
    if isinstance(rule, Normal):
        return rule.std * AFTER_CUT.get(rule.cut, 1.0), rule.cut * rule.std
    fan_in, fan_out, _ = SIZES[layer]
    std = math.sqrt(rule.gain / {"in": fan_in, "out": fan_out, "avg": (fan_in + fan_out) / 2}[rule.fan])
    return {
        "uniform": (std, math.sqrt(3) * std),
        "normal": (std, math.inf),
        "truncated": (AFTER_CUT[2.0] * std, 2 * std),
    }[rule.distribution]


def check(found: dict[str, Any], init: Any) -> None:
    rules = PRESETS[init] if isinstance(init, str) else init
    for name, array in found.items():
        layer, role = name.split(".")
        rule = rules.get(role, Constant({"scale": 1.0, "shift": 0.0}.get(role, 0.0)))
        if isinstance(rule, Constant):
            assert (array == np.float32(rule.value)).all(), name
            continue
        std, most = spread(rule, layer)
        assert len(np.unique(array)) > 0.9 * array.size, name
        # Five deviations of the estimate, which for a normal distribution is std / sqrt(2 n); the others spread less.
        assert abs(np.sqrt((array.astype(np.float64) ** 2).mean()) / std - 1) < 5 / math.sqrt(2 * array.size), name
        assert abs(array).max() <= np.float32(most) * (1 + 1e-6), name


def by_torch(initialize: Any) -> dict[str, Any]:
    from torch import nn

    net = nn.Sequential(nn.Conv2d(8, 128, 3), nn.BatchNorm2d(128), nn.Flatten(), nn.Linear(200, 500))
    if initialize:
        initialize(net)
    found = {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}
    places = {"0.weight": "conv1.weight", "0.bias": "conv1.bias", "1.weight": "norm1.scale", "1.bias": "norm1.shift"}
    places |= {"3.weight": "linear1.weight", "3.bias": "linear1.bias"}
    return {places[name]: array for name, array in found.items()}


def by_tensorflow(initialize: Any) -> dict[str, Any]:
    import keras

    layers = keras.layers
    conv, norm, dense = layers.Conv2D(128, 3), layers.BatchNormalization(), layers.Dense(500)
    conv.build((None, 8, 8, 8))
    norm.build((None, 6, 6, 128))
    dense.build((None, 200))

    class Net:
        variables = [*conv.weights, *norm.weights, *dense.weights]  # noqa: RUF012

    if initialize:
        initialize(Net)
    names = ["conv1.weight", "conv1.bias", "norm1.scale", "norm1.shift", "", "", "linear1.weight", "linear1.bias"]
    return {name: variable.numpy() for name, variable in zip(names, Net.variables, strict=True) if name}


def by_mxnet(initialize: Any) -> dict[str, Any]:
    from unicnn_mxnet.compat import mx

    nn = mx.gluon.nn
    net = nn.Sequential()
    net.add(nn.Conv2D(128, 3, in_channels=8), nn.BatchNorm(in_channels=128), nn.Dense(500, in_units=200))
    initialize(net)
    names = ["conv1.weight", "conv1.bias", "norm1.scale", "norm1.shift", "", "", "linear1.weight", "linear1.bias"]
    parameters = zip(names, net.collect_params().values(), strict=True)
    return {name: parameter.data().asnumpy() for name, parameter in parameters if name}


def by_numpy(initialize: Any) -> dict[str, Any]:
    class Net:
        parameters = {  # noqa: RUF012
            "conv1.weight": np.zeros((128, 8, 3, 3), np.float32), "conv1.bias": np.zeros(128, np.float32),
            "norm1.scale": np.ones(128, np.float32), "norm1.shift": np.zeros(128, np.float32),
            "linear1.weight": np.zeros((500, 200), np.float32), "linear1.bias": np.zeros(500, np.float32),
        }  # fmt: skip

    initialize(Net)
    return Net.parameters


def by_jax(initialize: Any) -> dict[str, Any]:
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.conv1, self.norm1 = nnx.Conv(8, 128, (3, 3), rngs=rngs), nnx.BatchNorm(128, rngs=rngs)
            self.linear1 = nnx.Linear(200, 500, rngs=rngs)

    net = Net()
    initialize(net)
    found = {"conv1.weight": net.conv1.kernel, "conv1.bias": net.conv1.bias, "norm1.scale": net.norm1.scale, "norm1.shift": net.norm1.bias}
    found |= {"linear1.weight": net.linear1.kernel, "linear1.bias": net.linear1.bias}
    return {name: np.asarray(place[...]) for name, place in found.items()}


NETS = {"torch": by_torch, "tensorflow": by_tensorflow, "mxnet": by_mxnet, "numpy": by_numpy, "jax": by_jax}
NEEDED = {"torch": "torch", "tensorflow": "keras", "mxnet": "unicnn_mxnet", "numpy": "numpy", "jax": "flax"}


@pytest.mark.parametrize("init", INITS.values(), ids=INITS)
@pytest.mark.parametrize("plugin", PLUGINS)
def test_what_is_drawn_has_the_spread_of_the_recipe(plugin: str, init: Any) -> None:
    pytest.importorskip(NEEDED[plugin])
    if plugin == "mxnet":
        pytest.importorskip("unicnn_mxnet.compat")  # which lets MXNet find what NumPy has renamed
    names: dict[str, Any] = {}
    exec(compile(loop(plugin).initialization(recipe(init)), "emitted", "exec"), names)
    check(NETS[plugin](names.get("initialize")), init)


def test_other_initialisers_would_be_seen() -> None:
    rng = np.random.default_rng(0)
    drawn = {"linear1.weight": rng.uniform(-0.07, 0.07, (500, 200))}
    check(drawn, "gluon")
    for init in ("keras", {"weight": Normal(0.07 / math.sqrt(3), 2.0)}, {"weight": Constant(0.0)}, {"weight": Uniform(0.071)}):
        with pytest.raises(AssertionError):
            check(drawn, init)


@pytest.mark.parametrize(("plugin", "preset"), [("torch", "torch"), ("tensorflow", "keras")])
def test_nothing_is_written_where_the_layers_begin_so_by_themselves(plugin: str, preset: str) -> None:
    source = loop(plugin).initialization(recipe(preset))
    assert source.startswith("#")
    assert source.count("\n") == 1


def test_keras_cannot_cut_a_normal_distribution_elsewhere() -> None:
    with pytest.raises(UnsupportedError, match="cannot cut it at 3"):
        loop("tensorflow").initialization(recipe({"weight": Normal(0.5, 3.0)}))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_emitted_initialisers_are_formatted_and_lint_free(plugin: str, tmp_path: Path) -> None:
    assert not linted(tmp_path, {name: loop(plugin).initialization(recipe(init)) for name, init in INITS.items()})
