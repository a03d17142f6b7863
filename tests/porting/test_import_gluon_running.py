"""A network that was read runs again as it is, and trains as a copy; it is left as it was."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer, loop
from unicnn_mxnet.compat import mx

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.proof.side import DescribedSide, ImportedSide
from unicnn.porting.reading import from_framework

from . import nets_gluon
from .interpret import distance
from .nets_gluon import ResNet, gluon_lenet, lenet
from .zoo_gluon import ready

nd = mx.nd
TOLERANCE = 1e-10


def arrays_of(net: Any) -> dict[str, Any]:
    return {name: (item.data().asnumpy(), item.data().grad is None or item.grad().asnumpy()) for name, item in net.collect_params().items()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k][0], b[k][0]) and np.array_equal(a[k][1], b[k][1]) for k in a)


TRAIN = """
import mxnet as mx
def train(net, batches, epochs):
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss, losses = mx.gluon.loss.SoftmaxCrossEntropyLoss(), []
    for epoch in range(epochs):
        for x, y in batches(epoch):
            data, label = mx.nd.empty(x.shape, dtype=x.dtype), mx.nd.empty(y.shape, dtype=x.dtype)
            data._sync_copyfrom(x)
            label._sync_copyfrom(y.astype(x.dtype))
            with mx.autograd.record():
                value = loss(net(data), label).mean()
            value.backward()
            trainer.step(1)
            losses.append(value.asscalar())
    return losses
"""


def batches(epoch: int) -> Any:
    random = np.random.default_rng(epoch)
    for _ in range(2):
        yield random.normal(size=(4, 3, 12, 12)), random.integers(5, size=4)


def test_running_and_training_leave_the_network_as_it_was() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)
    before = arrays_of(net)
    runner = importer.record(net, ((2, 3, 12, 12),), training=True).runner
    runner.run([np.ones((2, 3, 12, 12))], [np.ones((2, 5))], "float32")
    _, constants = runner.train(TRAIN, batches, 1, "float64")
    assert same(before, arrays_of(net))
    old = before[net.head.weight.name][0]
    assert np.abs(constants["head.weight"] - old).max() > 1e-4 * np.abs(old).max()


def test_training_in_float32_is_that_of_a_copy_of_the_network_itself() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)

    def single(epoch: int) -> Any:
        yield from ((x.astype(np.float32), y) for x, y in batches(epoch))

    losses, constants = importer.record(net, ((2, 3, 12, 12),)).runner.train(TRAIN, single, 2, "float32")
    twin = copy.deepcopy(net)
    twin.cast("float32")  # a copy has no room for gradients until its arrays are new
    defined: dict[str, Any] = {}
    exec(TRAIN, defined)
    assert losses == defined["train"](twin, single, 2)
    structural = twin._collect_params_with_prefix()
    assert constants.keys() == structural.keys()
    assert all(np.array_equal(constants[name], item.data().asnumpy()) for name, item in structural.items())
    assert len(set(losses)) == 4


def test_a_function_over_global_arrays_trains_on_copies_of_them() -> None:
    before = nets_gluon.W1.asnumpy()

    def images(epoch: int) -> Any:
        yield from ((x.transpose(0, 2, 3, 1)[:, :, :, :1].repeat(3, 1)[:, :28].repeat(3, 2)[:, :, :28], y) for x, y in batches(epoch))

    losses, constants = importer.record(lenet, ((2, 28, 28, 1),)).runner.train(TRAIN, images, 3, "float64")
    assert len(losses) == 6
    assert losses[0] != losses[-1]
    assert np.array_equal(nets_gluon.W1.asnumpy(), before)
    assert not np.array_equal(constants["W1"], before.astype(np.float64))


def test_float32_gradients_are_those_of_float64_also_behind_a_max_pool() -> None:
    net = ready(gluon_lenet(), 2, 1, 28, 28)
    runner = importer.record(net, ((2, 1, 28, 28),)).runner
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 1, 28, 28)), random.normal(size=(2, 10))
    single, double = runner.run([x], [y], "float32"), runner.run([x], [y], "float64")
    assert single.gradients.keys() == {"input", *(f"{i}.{role}" for i in (0, 2, 5, 6) for role in ("weight", "bias"))}
    assert single.outputs[0].dtype == np.float32
    assert all(distance(single.gradients[name].astype(float), double.gradients[name]) < 1e-5 for name in double.gradients)


def test_a_network_that_does_not_do_the_same_twice_is_refused() -> None:
    turns: list[int] = []

    def net(x: Any) -> Any:
        turns.append(1)
        return nd.relu(x) if len(turns) % 2 else nd.tanh(x)

    recording = importer.record(net, ((2, 3),))
    with pytest.raises(PortError, match="not do the same each time"):
        recording.runner.run([np.ones((2, 3))], [np.ones((2, 3))], "float64")


RECIPES = {
    "momentum": un.Recipe(optimizer=un.SGD(0.05, momentum=0.9), batch_size=4, epochs=2, preset="gluon"),
    "Adam, with decay": un.Recipe(optimizer=un.Adam(0.01, weight_decay=0.01), batch_size=4, epochs=2, preset="gluon"),
    "RMSProp": un.Recipe(optimizer=un.RMSProp(0.01), batch_size=4, epochs=2, preset="gluon"),
    "Nesterov's momentum": un.Recipe(optimizer=un.SGD(0.05, momentum=0.9, nesterov=True), batch_size=4, epochs=2, preset="gluon"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
@pytest.mark.parametrize(
    ("net", "shape"),
    [
        pytest.param(lambda: ready(ResNet(), 2, 3, 12, 12), (2, 3, 12, 12), id="a residual network"),
        pytest.param(lambda: lenet, (2, 28, 28, 1), id="a function over arrays"),
    ],
)
def test_the_original_trains_as_the_description_does(net: Any, shape: tuple[int, ...], recipe: un.Recipe) -> None:
    found = from_framework(net(), shape)
    size = found.model.inputs[0][1]

    def images(epoch: int) -> Iterator[tuple[Any, Any]]:
        random = np.random.default_rng(epoch)
        yield from ((random.normal(size=(4, *size)), random.integers(5, size=4)) for _ in range(3))

    mine = DescribedSide(found.model, found.weights).train(recipe, images, 2, "float64")
    theirs = ImportedSide(found).train(recipe, images, 2, "float64", loop.training(recipe))
    assert distance(np.array(theirs.losses), np.array(mine.losses)) < TOLERANCE
    assert distance(np.array(theirs.losses), np.array(mine.losses[1:] + mine.losses[:1])) > 1e-3
    for name in found.weights:
        assert distance(theirs.weights[name], mine.weights[name]) < TOLERANCE, name
    last = list(found.weights)[-1]
    assert distance(theirs.weights[last], np.asarray(found.weights[last], np.float64)) > 1e-3


class Counting(mx.gluon.Block):
    """Be a block that keeps statistics in attributes, as networks from scratch do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.mean, self._calls = nd.zeros((1, 3)), 0

    def forward(self, x: Any) -> Any:
        self._calls += 1
        self.late = x
        if mx.autograd.is_training():
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0, keepdims=True)
        return x - self.mean


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_what_a_block_keeps_in_attributes_is_as_it_was(training: bool) -> None:
    net = Counting()
    mean = net.mean
    recording = importer.record(net, ((4, 3),), training=training)
    assert [call.op for call in recording.tape.calls] == (["mul", "mean", "mul", "add", "sub"] if training else ["sub"])
    assert "mean" in recording.tape.constants
    assert net.mean is mean
    assert (net._calls, hasattr(net, "late")) == (0, False)
    net(nd.ones((4, 3)))
    assert (net._calls, hasattr(net, "late")) == (1, True)


def test_objects_that_can_be_called_and_partial_functions_name_their_arrays() -> None:
    class Net:
        def __init__(self) -> None:
            self.w = nets_gluon.numbers(5, 3)

        def __call__(self, x: Any) -> Any:
            return nd.dot(x, self.w)

    def given(x: Any, w: Any) -> Any:
        return nd.dot(x, w)

    for net in (Net(), Net().__call__, functools.partial(given, w=nets_gluon.numbers(5, 3))):
        assert from_framework(net, (2, 5)).origins["linear1.weight"].constant == "w"
