"""What is TensorFlow's alone: images lie as NHWC inside, one graph serves all batch sizes, weights are packed at load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.graph import infer
from unicnn.lowering import Purpose, build
from unicnn.model import Model
from unicnn.numerics import numerics
from unicnn.ops import AdaptiveAvgPool2d, Conv2d, ConvTranspose2d, CrossEntropy, Flatten, LayerNorm, Linear, MaxPool2d, ReLU, Transpose
from unicnn.plugins import backend

inside = pytest.importorskip("unicnn_tensorflow.runtime")
tf = pytest.importorskip("tensorflow")


def stack(channels: int, *ending: Any) -> Model:
    """Return conv, relu, pool, conv and what follows."""
    layers = [Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3), *ending]
    return un.Sequential(layers, input=(channels, 8, 8), name="stack")


def planned(model: Model, purpose: Purpose) -> tuple[Any, list[Any]]:
    """Return the plan of a model, and inputs and parameters for a batch of two samples."""
    loaded, graph, chosen = backend("tensorflow"), infer(model), numerics("native")
    runtime = loaded.runtime("cpu", chosen.dtype)
    values = [runtime.tensor(np.ones((2, *shape), np.float32)) for _, shape in model.inputs]
    packed = [runtime.pack(item.kind, np.ones(item.shape, np.float32)) for item in graph.parameters.values()]
    return build(graph, chosen.bind(loaded, runtime), chosen.dtype, purpose).plan, [*values, *packed]


def compiled(model: Model) -> tuple[Any, list[Any]]:
    """Return a compiled model, and arguments for a batch of two samples."""
    plan, arguments = planned(model, Purpose())
    return inside.Runtime("cpu", "float32").compile(plan), arguments


def count(model: Model, op: str) -> int:
    """Return how many nodes of a kind the graph of a model has."""
    run, arguments = compiled(model)
    run(arguments)
    return sum(node.type == op for node in run.concrete.graph.get_operations())


@pytest.mark.parametrize(
    ("model", "transposes"),
    [
        pytest.param(stack(3), 2, id="an image in and an image out take one transpose each"),
        pytest.param(stack(3, Flatten()), 2, id="flatten is a way out"),
        pytest.param(stack(1, Flatten()), 1, id="one channel enters by a reshape"),
        pytest.param(stack(3, AdaptiveAvgPool2d(1), Flatten()), 1, id="one pixel leaves by a reshape"),
        pytest.param(stack(1, AdaptiveAvgPool2d(1), Flatten(), Linear(5)), 0, id="one channel and one pixel need no transpose"),
    ],
)
def test_convolutions_in_a_row_are_not_transposed_between(model: Model, transposes: int) -> None:
    assert count(model, "Transpose") == transposes


def test_a_transpose_of_an_image_is_one_transpose_inside() -> None:
    turned = un.Sequential([Transpose((0, 1, 3, 2))], input=(3, 4, 5))
    assert count(turned, "Transpose") == 3


@pytest.mark.parametrize("size", [1, 2, 5])
def test_one_graph_serves_a_batch_of(size: int) -> None:
    run, arguments = compiled(stack(3, Flatten()))
    run(arguments)
    graph = run.concrete
    (result,) = run([tf.repeat(arguments[0][:1], size, 0), *arguments[1:]])
    assert result.shape[0] == size
    assert run.concrete is graph


@pytest.mark.parametrize("size", [1, 2, 5])
def test_one_graph_of_loss_and_gradients_serves_a_batch_of(size: int) -> None:
    plan, arguments = planned(stack(3, Flatten()), Purpose(loss=CrossEntropy(), gradients=True))
    run = inside.Traced(plan, inside.derived(plan, (0,), (False,)), "cpu")
    run([*arguments, tf.zeros(2, tf.int64)])
    graph = run.concrete
    _, gradient = run([tf.repeat(arguments[0][:1], size, 0), *arguments[1:], tf.zeros(size, tf.int64)])
    assert gradient.shape == (size, 3, 8, 8)
    assert run.concrete is graph


@pytest.mark.parametrize(
    ("kind", "shape", "inside"),
    [
        ("conv", (6, 2, 3, 5), (3, 5, 2, 6)),
        ("conv_transpose", (6, 2, 3, 5), (3, 5, 2, 6)),
        ("linear", (4, 7), (7, 4)),
        ("vector", (5,), (5,)),
        ("array", (2, 3, 4), (2, 3, 4)),
    ],
)
def test_a_packed_parameter_comes_back_as_it_was(kind: str, shape: tuple[int, ...], inside: tuple[int, ...]) -> None:
    runtime = backend("tensorflow").runtime("cpu", "float32")
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    packed = runtime.pack(kind, array)
    assert tuple(packed.shape) == inside
    np.testing.assert_array_equal(runtime.unpack(kind, packed), array)


def test_a_packed_parameter_does_not_follow_its_array() -> None:
    runtime = backend("tensorflow").runtime("cpu", "float32")
    array = np.zeros(64, np.float32)
    packed = runtime.pack("vector", array)
    array[:] = 1
    assert not runtime.unpack("vector", packed).any()


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(Conv2d(6, 3, groups=2), id="a grouped convolution"),
        pytest.param(Conv2d(4, 3, stride=(1, 2), groups=4), id="a depthwise convolution with unequal strides"),
        pytest.param(Conv2d(6, 3, stride=2, padding=((0, 1), (2, 0)), dilation=(2, 3)), id="a convolution with stride and dilation"),
        pytest.param(ConvTranspose2d(6, 2, output_padding=2, dilation=3, groups=2), id="a dilated transposed convolution"),
        pytest.param(ConvTranspose2d(6, 1, output_padding=2, dilation=3), id="a transposed convolution with rows of bias only"),
        pytest.param(LayerNorm((1, 3)), id="a layer norm over channels and columns"),
    ],
)
def test_what_the_engine_lacks_agrees_with_its_numerical_gradient(layer: Any) -> None:
    model = un.Sequential([layer, Flatten(), Linear(3)], input=(4, 7, 8))
    program = un.lower(model, "tensorflow", numerics="float64")
    generator = np.random.default_rng(0)
    x, labels, direction = generator.standard_normal((2, 4, 7, 8)), np.array([0, 2]), generator.standard_normal((2, 4, 7, 8))
    loss = [program.gradients(x + step * direction, labels)[0] for step in (1e-5, -1e-5)]
    _, gradients = program.gradients(x, labels)
    slope = np.sum(gradients["input"] * direction)
    # The quotient is off by its step squared, and by the rounding of the losses over the step: both near 1e-10.
    assert abs((loss[0] - loss[1]) / 2e-5 - slope) <= 1e-7 * abs(slope)
