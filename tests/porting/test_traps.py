"""Known mistakes of ports, made on purpose, are named by what they are."""

import numpy as np
import pytest

import unicnn as un
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.porting.proof.side import DescribedSide, Observed
from unicnn.porting.proof.traps import likely_cause


def network(op, shape=(3, 10, 10), then=()):
    return un.Sequential([("before", un.Conv2d(4, 3)), ("layer", op), *then], input=shape)


def cause(right: Model, wrong: Model, change=None, shape=(3, 10, 10), layer="layer"):
    """Return what is said of a port that is `wrong`, its weights changed by `change`."""
    graph = infer(right)
    weights = un.initial_weights(graph, 1)
    weights = {name: (array + 0.5 if name.endswith(("mean", "shift", "bias")) else array) for name, array in weights.items()}
    port = dict(weights)
    if change is not None:
        port |= change(weights)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    cotangents = [np.ones((2, *infer(wrong).shapes[wrong.outputs[0][1]]), np.float32)]
    observed = DescribedSide(wrong, port).observe([x], cotangents, "float64")
    return likely_cause(graph, weights, observed, {}, layer, [x])


MISTAKES = {
    "same-with-an-odd-pixel-for-padding-1": (un.Conv2d(5, 3, stride=2, padding=1), un.Conv2d(5, 3, stride=2, padding=((0, 1), (0, 1))), "TensorFlow's SAME"),
    "odd-pixel-before": (un.Conv2d(5, 2, padding=((0, 1), (0, 1))), un.Conv2d(5, 2, padding=((1, 0), (1, 0))), "on the other side"),
    "padding-forgotten-in-max-pooling": (un.MaxPool2d(3, stride=2, padding=1), un.MaxPool2d(3, stride=2), None),
    "border-counted": (un.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), un.AvgPool2d(3, stride=2, padding=1), "counted in"),
    "border-not-counted": (un.AvgPool2d(3, stride=2, padding=1), un.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), "left out of"),
    "epsilon-of-keras": (un.BatchNorm2d(), un.BatchNorm2d(eps=1e-3), "an epsilon of 0.001"),
    "slope-of-keras": (un.LeakyReLU(0.01), un.LeakyReLU(0.3), "a slope of 0.3"),
    "alpha-of-mxnet": (un.ELU(1.0), un.ELU(0.25), "an alpha of 0.25"),
    "gelu-by-tanh": (un.GELU(), un.GELU("tanh"), "the tanh formula"),
    "hard-sigmoid-of-onnx": (un.Hardsigmoid(), un.Hardsigmoid(0.2, 0.5), "a slope of 0.2"),
    "softmax-over-the-width": (un.Softmax(1), un.Softmax(3), "axis 3 in place of 1"),
    "activation-forgotten": (un.ReLU(), un.Identity(), "leaving the layer out"),
    "dilation-ignored": (un.Conv2d(5, 3, dilation=2, padding=2), un.Conv2d(5, 3, padding=1), None),
}  # fmt: skip


class TestAMistake:
    @pytest.mark.parametrize("name", MISTAKES)
    def test_is_named(self, name):
        right, wrong, said = MISTAKES[name]
        found = cause(network(right), network(wrong))
        if said is not None:
            assert said in (found or ""), found

    @pytest.mark.parametrize("name", MISTAKES)
    def test_is_not_seen_where_there_is_none(self, name):
        right, _, _ = MISTAKES[name]
        assert cause(network(right), network(right)) is None

    def test_in_the_order_of_dense_rows_is_named(self):
        right = network(un.ReLU(), then=[("flatten", un.Flatten()), ("linear", un.Linear(5))])

        def permuted(weights):
            image = weights["linear.weight"].reshape(5, 4, 8, 8)
            return {"linear.weight": np.ascontiguousarray(image.transpose(0, 2, 3, 1).reshape(5, -1))}

        assert "height, width, channels" in cause(right, right, permuted, layer="linear")

    def test_in_the_direction_of_a_kernel_is_named(self):
        right = network(un.Conv2d(5, 3))

        def flipped(weights):
            return {"layer.weight": np.ascontiguousarray(weights["layer.weight"][:, :, ::-1, ::-1])}

        assert "a flipped kernel" in cause(right, right, flipped)

    def test_in_a_scale_that_is_ignored_is_named(self):
        right = network(un.BatchNorm2d())
        weights = un.initial_weights(infer(right), 1)
        graph = infer(right)
        weights["layer.scale"] = np.arange(1, 5).astype(np.float32)
        x = np.random.default_rng(0).normal(size=(2, 3, 10, 10)).astype(np.float32)
        port = {**weights, "layer.scale": np.ones(4, np.float32)}
        observed = DescribedSide(right, port).observe([x], [np.ones((2, 4, 8, 8), np.float32)], "float64")
        assert "fix_gamma" in likely_cause(graph, weights, observed, {}, "layer", [x])


def test_a_layer_whose_inputs_are_not_seen_gets_no_cause():
    graph = infer(network(un.ReLU()))
    x = np.zeros((2, 3, 10, 10), np.float32)
    assert likely_cause(graph, {}, Observed({}, (), {}), {}, "layer", [x]) is None
    assert likely_cause(graph, {}, Observed({}, (), {}), {}, "nothing", [x]) is None
    assert Layer("layer", un.ReLU(), ("before",)) in graph.model.layers
