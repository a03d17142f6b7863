"""Networks of Gluon and of mx.nd are read as what they are: tutorials, blocks of every kind, and networks of the zoo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer
from unicnn_mxnet.compat import mx

import unicnn as un
from unicnn.porting.reading import from_framework

from . import nets_gluon
from .interpret import distance, interpret
from .nets_gluon import Imperative, ResNet, Shared, gluon_lenet, lenet, numbers
from .proving import distances, worst
from .zoo_gluon import build, ready, size_of

nd, nn = mx.nd, mx.gluon.nn
TOLERANCE = 1e-10


def kinds(model: un.Model) -> list[str]:
    return [type(layer.op).__name__ for layer in model.layers]


def test_the_gluon_tutorials_lenet_is_read() -> None:
    found = from_framework(ready(gluon_lenet(), 2, 1, 28, 28), (2, 1, 28, 28))
    assert kinds(found.model) == ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "ReLU", "Linear"]
    assert sum(array.size for array in found.weights.values()) == 170_988
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb=next(iter(found.weights))))[1] > 1e-8


def test_lenet_from_scratch_is_read_from_a_function_over_global_arrays() -> None:
    found = from_framework(lenet, (2, 28, 28, 1))
    assert {name: origin.constant for name, origin in found.origins.items()} == {
        "conv1.weight": "W1", "conv1.bias": "b1", "conv2.weight": "W2", "conv2.bias": "b2",
        "linear1.weight": "W3", "linear1.bias": "b3", "linear2.weight": "W4", "linear2.bias": "b4",
    }  # fmt: skip
    assert found.model.name == "lenet"
    assert kinds(found.model) == kinds(from_framework(ready(gluon_lenet(), 2, 1, 28, 28), (2, 1, 28, 28)).model)
    assert found.weights["linear1.weight"].shape == (128, 1250)
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb="linear2.bias"))[1] > 1e-8


def test_every_call_of_a_function_has_the_line_that_made_it() -> None:
    tape = importer.record(lenet, ((2, 28, 28, 1),)).tape
    lines = {call.op: call.where for call in tape.calls}
    assert all(where is not None and where.file == nets_gluon.__file__ for where in lines.values())
    assert lines["transpose"].text == "X = nd.transpose(X, (0, 3, 1, 2))  # noqa: N806"
    assert lines["linear"].text == "return nd.dot(h3, W4) + b4"


def test_a_residual_network_has_the_names_of_its_attributes() -> None:
    found = from_framework(ready(ResNet(), 2, 3, 12, 12), (2, 3, 12, 12))
    names = [layer.name for layer in found.model.layers]
    assert names[:7] == ["stem", "body.0.conv1", "body.0.bn1", "body.0.relu1", "body.0.conv2", "body.0.bn2", "body.0.add"]
    assert found.classes["body.1"] == "Residual"
    assert found.origins["body.1.bn2.var"].constant == "body.1.bn2.running_var"
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb="body.1.bn2.var"))[1] > 1e-8


def test_glue_has_the_line_in_the_users_forward() -> None:
    tape = importer.record(ready(ResNet(), 2, 3, 12, 12), ((2, 3, 12, 12),)).tape
    add = next(call for call in tape.calls if call.op == "add")
    assert (add.path, add.own) == ("body.0", False)
    assert add.where is not None
    assert add.where.text == "return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))"


def test_a_block_of_imperative_code_is_read_with_its_slices_and_its_own_parameter() -> None:
    recording = importer.record(ready(Imperative(), 2, 3, 8, 8), ((2, 3, 8, 8),))
    assert {"convs.0.weight", "scale", "dense.bias"} < recording.tape.constants.keys()
    assert [call.op for call in recording.tape.calls].count("split") == 2
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    values = interpret(recording.tape, [x])
    ran = recording.runner.run([x], [np.ones((2, 4))], "float64")
    assert all(distance(values[call.name], ran.values[call.name]) < TOLERANCE for call in recording.tape.calls)
    assert "scale" in ran.gradients


def test_several_inputs_and_outputs_keep_their_names_and_order() -> None:
    net = Shared()
    net.initialize(mx.init.Xavier())
    recording = importer.record(net, ((2, 3, 6, 6), (2, 4, 4, 4)))
    assert recording.tape.inputs == (("left", (2, 3, 6, 6)), ("right", (2, 4, 4, 4)))
    assert [recording.tape.calls[-1].op, len(recording.tape.outputs)] == ["softmax", 2]
    random = np.random.default_rng(0)
    given = [random.normal(size=shape) for _, shape in recording.tape.inputs]
    values = interpret(recording.tape, given)
    ran = recording.runner.run(given, [random.normal(size=values[name].shape) for _, name in recording.tape.outputs], "float64")
    for (_, name), output in zip(recording.tape.outputs, ran.outputs, strict=True):
        assert distance(values[name], output) < TOLERANCE


def test_a_hybridized_block_is_read_as_if_it_were_not() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)
    before = from_framework(net, (2, 3, 12, 12)).model
    net.hybridize(static_alloc=True, static_shape=True)
    net(nd.zeros((2, 3, 12, 12)))
    compiled = net._cached_op
    assert from_framework(net, (2, 3, 12, 12)).model == before
    assert net._cached_op is compiled


def test_blocks_that_wait_for_their_first_input_are_read() -> None:
    net = gluon_lenet()
    net.initialize()
    assert len(from_framework(net, (2, 1, 28, 28)).model.layers) == 10


def test_a_function_over_blocks_and_a_closure_are_read() -> None:
    trunk = ready(nn.Conv2D(4, 3), 2, 3, 8, 8)
    table = {"weight": numbers(5, 4, scale=0.5)}

    def net(x: Any) -> Any:
        return nd.FullyConnected(nd.mean(trunk(x), axis=(2, 3)), table["weight"], num_hidden=5, no_bias=True)

    found = from_framework(net, (2, 3, 8, 8))
    assert {origin.constant for origin in found.origins.values()} == {"trunk.weight", "trunk.bias", "table.weight"}
    assert worst(distances(found))[1] < TOLERANCE


# The zoo: the rest of it, and what they cost, is in zoo_gluon.py

QUICK = ("resnet18_v1", "resnet18_v2", "mobilenet0.25", "mobilenetv2_0.25", "squeezenet1.1")
SLOW = ("alexnet", "densenet121", "inceptionv3", "resnet50_v1", "squeezenet1.0", "vgg11", "vgg11_bn", "mobilenet1.0", "mobilenetv2_1.0")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_network_of_the_zoo_is_read_with_its_training(name: str) -> None:
    found = from_framework(build(name), (1, 3, size_of(name), size_of(name)))
    assert worst(distances(found))[1] < TOLERANCE
    last = [weight for weight in found.weights if weight.endswith("weight")][-1]
    assert worst(distances(found, perturb=last, every=False, gradients=False))[1] > 1e-9
