"""The layers that emitted NumPy files consist of compute what the descriptions of their ops say, forward and backward."""

import importlib

import numpy as np
import pytest

import unicnn as un
from unicnn.conformance.graphs import sample
from unicnn.graph import infer
from unicnn.porting.outline.text import construction

pytest.importorskip("unicnn_numpy", reason="the NumPy plugin is not installed")
from unicnn_numpy.emitting.pieces import ORDER, every
from unicnn_numpy.emitting.spelling import Spelling

from .interpret import distance

MODULES = [importlib.import_module(f"unicnn_numpy.emitting.layers.{name}") for name in ORDER]
LAYERS = {name: getattr(module, name) for name in every() for module in MODULES if hasattr(module, name)}

OPS = {
    "conv": un.Conv2d(6, (3, 2), stride=(2, 1), padding=((1, 2), (0, 1)), dilation=(1, 2)),
    "conv-in-groups": un.Conv2d(8, 3, groups=4, padding=1, bias=False),
    "conv-transpose": un.ConvTranspose2d(6, 3, stride=2, padding=1, output_padding=1, groups=2),
    "conv-transpose-wide": un.ConvTranspose2d(4, 2, stride=3, dilation=2),
    "batch-norm": un.BatchNorm2d(eps=1e-3, keep=0.75),
    "batch-norm-plain-and-unbiased": un.BatchNorm2d(scale=False, shift=False, running_var="unbiased"),
    "layer-norm-of-channels": un.LayerNorm((1,)),
    "layer-norm-of-the-sample": un.LayerNorm((1, 2, 3), scale=False),
    "max-pool": un.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    "avg-pool": un.AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
    "avg-pool-without-its-border": un.AvgPool2d((2, 3), stride=(2, 1), padding=1, count_include_pad=False),
    "avg-pool-without-border": un.AvgPool2d(2, stride=(3, 2)),
    "conv-transpose-with-more-after": un.ConvTranspose2d(4, 2, stride=3, output_padding=(1, 2), dilation=2),
    "global-avg-pool": un.AdaptiveAvgPool2d(1),
    "adaptive-avg-pool": un.AdaptiveAvgPool2d((3, 4)),
    **{name: op() for name, op in {"relu": un.ReLU, "relu6": un.ReLU6, "sigmoid": un.Sigmoid, "tanh": un.Tanh, "silu": un.SiLU}.items()},
    "leaky-relu": un.LeakyReLU(0.2),
    "elu": un.ELU(0.5),
    "gelu": un.GELU(),
    "gelu-tanh": un.GELU("tanh"),
    "hardswish": un.Hardswish(),
    "hardsigmoid": un.Hardsigmoid(0.2, 0.5),
    "softmax": un.Softmax(),
    "log-softmax": un.LogSoftmax(2),
    "transpose": un.Transpose((0, 2, 3, 1)),
    "reshape": un.Reshape((8, -1)),
    "pad": un.Pad(((0, 1), (2, 0)), value=0.5),
    "identity": un.Identity(),
}  # fmt: skip


def built(model, weights):
    """Return the network of a model, made of the layers, in float64."""
    net = LAYERS["Network"](*(name for name, _ in model.inputs))
    for node in infer(model).nodes:
        net.add(node.name, eval(construction(Spelling().layer(node)), LAYERS), *node.inputs)
    net.outputs = tuple(name for _, name in model.outputs)
    for layer, _ in net.layers.values():
        layer.parameters = {key: array.astype(np.float64) for key, array in layer.parameters.items()}
    for name, array in weights.items():
        net.parameters[name][...] = array
    return net


def compared(model, weights, x, mode, perturb=0.0):
    program = un.lower(model, "numpy", numerics="float64", weights=weights)
    net = built(model, weights)
    if perturb:
        for array in net.parameters.values():
            array *= 1 + perturb
    values = [x[name] for name, _ in model.inputs]
    mine = net(*values, training=mode == "training")
    seed = np.random.default_rng(5).normal(size=mine.shape)
    y, gradients = program.vjp(values[0] if len(values) == 1 else values, seed, mode=mode)
    back = net.backward(seed)
    found = {"output": distance(y, mine)}
    given = dict(zip(net.inputs, back if isinstance(back, tuple) else (back,), strict=True)) | net.gradients
    found |= {name: distance(gradients[name], array) for name, array in given.items() if name in gradients and array is not None}
    held = program.weights()
    return found | {f"after {name}": distance(held[name], array) for name, array in net.parameters.items()}


def weights_of(model, seed=3):
    random = np.random.default_rng(seed)
    return {
        name: (random.uniform(0.5, 2, item.shape) if name.endswith("var") else random.normal(size=item.shape)).astype(np.float32)
        for name, item in infer(model).parameters.items()
    }


class TestALayer:
    @pytest.mark.parametrize("mode", ["inference", "training"])
    @pytest.mark.parametrize("name", OPS)
    def test_computes_what_its_op_means(self, name, mode):
        model = un.Sequential([("layer", OPS[name])], input=(8, 9, 7))
        x = {"input": np.random.default_rng(0).normal(size=(3, 8, 9, 7)) * 2}
        weights = weights_of(model)
        found = compared(model, weights, x, mode)
        assert max(found.values()) < 1e-12, found
        assert set(weights) <= {key.removeprefix("after ") for key in found}

    def test_with_other_weights_computes_something_else(self):
        model = un.Sequential([un.Conv2d(3, 3), un.BatchNorm2d()], input=(2, 6, 6))
        x = {"input": np.random.default_rng(0).normal(size=(3, 2, 6, 6))}
        assert compared(model, weights_of(model), x, "inference", perturb=1e-6)["output"] > 1e-9


class TestANetwork:
    @pytest.mark.parametrize("seed", range(40))
    def test_of_any_shape_computes_what_its_description_means(self, seed):
        drawn = sample(seed)
        model = drawn.model
        random = np.random.default_rng(seed)
        x = {name: random.normal(size=(2, *shape)) for name, shape in model.inputs}
        found = compared(model, weights_of(model), x, "inference")
        assert max(found.values()) < 1e-10, found
