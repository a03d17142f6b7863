"""Identical numerics cost no accuracy: no convolution or linear layer is further from the exact result than the worst framework."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.graph import Graph, Node, infer
from unicnn.program import lower

Array = np.ndarray[Any, Any]

NETWORKS = [
    pytest.param("lenet", 64, id="lenet-batch-64"),
    pytest.param("resnet18", 2, id="resnet18-batch-2", marks=pytest.mark.slow),
    pytest.param("vgg11", 1, id="vgg11-batch-1", marks=pytest.mark.slow),
]


def images(graph: Graph, batch: int) -> tuple[Array, Array]:
    x, labels = un.fashion_mnist("test", source="embedded").take(batch).as_float()
    scale = graph.model.input_shape[1] // 28
    return x.repeat(scale, 2).repeat(scale, 3), labels


def layer(graph: Graph, node: Node) -> un.Model:
    """Return the network of one layer, without its bias."""
    fields = {**node.op.fields(), "bias": False}
    return un.Sequential([("op", type(node.op)(**fields))], input=node.input_shapes[0], name=f"{graph.model.name}-{node.name}")


def computed(model: un.Model, backend: str, numerics: str, weight: Array, x: Array, dy: Array) -> dict[str, Array]:
    y, gradients = lower(model, backend, numerics=numerics, weights={"op.weight": weight}).vjp(x, dy)
    return {"output": y, **gradients}


def layers(name: str, batch: int) -> Iterator[tuple[str, un.Model, Array, Array, Array]]:
    """Yield each contraction of a network with its weight, its input and the gradient that arrives at its output in a training pass."""
    graph = infer(un.zoo.get(name))
    x, labels = images(graph, batch)
    program = lower(graph.model, plugins.usable()[0], numerics="identical")
    trace = program.trace(x, labels, mode="training")
    values, weights = {graph.model.inputs[0][0]: x, **trace.outputs}, program.weights()
    for node in graph.nodes:
        if node.op.lowering() in ("conv2d", "linear"):
            yield node.name, layer(graph, node), weights[f"{node.name}.weight"], values[node.inputs[0]], trace.incoming[node.name]


def errors(found: dict[str, Array], exact: dict[str, Array]) -> dict[str, tuple[float, float]]:
    """Return the largest error and the root of the mean square of the errors, of the output and of both gradients."""
    gaps = {name: np.abs(found[name].astype(np.float64) - exact[name]) for name in exact}
    return {name: (float(gap.max()), float(np.sqrt((gap * gap).mean()))) for name, gap in gaps.items()}


@pytest.mark.parametrize(("name", "batch"), NETWORKS)
def test_no_layer_errs_more_than_the_worst_native_float32(name: str, batch: int) -> None:
    if len(plugins.usable()) < 4:
        pytest.skip("the bar is the worst of four frameworks, and one is not installed here")
    worse, total = [], 0
    for path, model, weight, x, dy in layers(name, batch):
        # float64 sums err by 1e-13 of their largest term at most: nothing beside the 1e-8 that is looked at.
        exact = computed(model, "numpy", "float64", weight, x.astype(np.float64), dy.astype(np.float64))
        native = [errors(computed(model, backend, "native", weight, x, dy), exact) for backend in plugins.usable()]
        ours = errors(computed(model, "numpy", "identical", weight, x, dy), exact)
        for what in exact:
            total += 1
            largest = max(item[what][0] for item in native)
            assert largest > 0, (path, what)
            if ours[what][0] > largest:
                worse.append((path, what, ours[what][0] / largest))
    assert total == 3 * len([node for node in infer(un.zoo.get(name)).nodes if node.op.lowering() in ("conv2d", "linear")])
    assert worse == []
