"""Emitted training loops, run as they are written, against unicnn's own training: every loss and every weight, in float64."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from tests.porting.loop_nets import Written, gluon_net, jax_net, keras_net, keras_weights, torch_net
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

NARROW = {
    "torch": (torch_net, "torch"),
    "tensorflow": (keras_net, "keras"),
    "mxnet": (gluon_net, "unicnn_mxnet"),
    "numpy": (Written, "numpy"),
}


@pytest.mark.parametrize("name", ["a short batch divided by the nominal size", "the squared error", "RMSProp, eps inside"])
@pytest.mark.parametrize("plugin", NARROW)
def test_batches_take_the_type_of_the_network(plugin: str, name: str) -> None:
    build, framework = NARROW[plugin]
    pytest.importorskip(framework)
    built = build("float32")
    losses = run(loop(plugin).training(recipe(name)), built if plugin == "numpy" else built[0], recipe(name), last=plugin == "tensorflow")
    assert (losses == losses.astype(np.float32)).all()  # of a mean or a sum, they are numbers of float32
    assert 1e-9 < difference(losses, trained(name)["losses"]) < 1e-4


@pytest.mark.parametrize("plugin", PLUGINS)
def test_emitted_loops_are_formatted_and_lint_free(plugin: str, tmp_path: Any) -> None:
    training = loop(plugin).training
    assert not linted(tmp_path, {name: training(recipe(name)) for name in NAMES})
