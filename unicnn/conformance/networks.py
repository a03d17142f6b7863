"""Whole networks as cases: exact on whole numbers, the proof made layer by layer, and identical on the networks of the zoo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from unicnn import zoo
from unicnn.conformance import digests
from unicnn.conformance.case import BITS
from unicnn.conformance.expected import Unsound
from unicnn.conformance.levels import NATIVE, Finding
from unicnn.conformance.recipes import Stream
from unicnn.conformance.target import Target
from unicnn.graph import Graph, Node, infer
from unicnn.initializers import initial_weights
from unicnn.numerics import bounds

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class NetworkCase:
    """Be one network of the zoo, at the level exact or identical, with numbers of a seed, in a dtype.

    The numbers of an exact case are whole: inputs up to 4, weights -1 and 1, cotangents up to 2.
    """

    network: str
    level: str
    seed: int = 0
    dtype: str = "float32"
    batch: int = 3
    slow: bool = False

    @property
    def id(self) -> str:
        """Return the case's name."""
        return f"{self.network}/{self.level}-{self.seed}-{self.dtype}"

    @property
    def op(self) -> str:
        """Return the network's name."""
        return self.network

    def graph(self) -> Graph:
        """Return the network in normal form."""
        return infer(zoo.get(self.network))


def network(case: NetworkCase, target: Target, *, forward_only: bool) -> Finding:
    """Demand the digests on record of the outputs and, unless `forward_only`, of every gradient."""
    computed = results(case, target, forward_only=forward_only)
    if case.level == "exact":
        computed = {name: array + array.dtype.type(0) for name, array in computed.items()}
    if digests.match(case.id, computed):
        return Finding(None, 0.0, computed)
    return Finding(f"not what every other backend gives: {digests.describe(case.id, computed)}", None, computed)


def results(case: NetworkCase, target: Target, *, forward_only: bool = False) -> dict[str, Array]:
    """Return the outputs of a network on a target, and the gradients of sum(output * cotangent)."""
    x, weights, cotangents = numbers(case)
    numerics = "identical" if case.level == "identical" else NATIVE[case.dtype]
    program = target.program(zoo.get(case.network), numerics, weights)
    if forward_only:
        return _named(program(x))
    outputs, gradients = program.vjp(x, cotangents)
    return {**_named(outputs), **{f"the gradient of {name}": value for name, value in gradients.items()}}


def _named(outputs: Any) -> dict[str, Array]:
    listed = list(outputs.values()) if isinstance(outputs, Mapping) else outputs if isinstance(outputs, tuple) else [outputs]
    return {f"output {place}": array for place, array in enumerate(listed)}


@lru_cache(maxsize=2)
def numbers(case: NetworkCase) -> tuple[Array, dict[str, Array], tuple[Array, ...]]:
    """Return the input, the weights and the cotangents of the outputs."""
    graph, stream = case.graph(), Stream(case.network, case.level, case.seed)
    shapes = [graph.shapes[source] for _, source in graph.model.outputs]
    size = (case.batch, *graph.model.input_shape)
    if case.level == "identical":
        weights = initial_weights(graph, case.seed)
        return (
            stream.bell(size).astype(np.float32),
            weights,
            tuple(stream.bell((case.batch, *shape)).astype(np.float32) for shape in shapes),
        )

    weights = {name: (stream.whole(item.shape, 0, 1) * 2 - 1).astype(case.dtype) for name, item in graph.parameters.items()}
    cotangents = tuple(stream.whole((case.batch, *shape), -2, 2).astype(case.dtype) for shape in shapes)
    return stream.whole(size, -4, 4).astype(case.dtype), weights, cotangents


def proven(case: NetworkCase) -> dict[str, Array]:
    """Return all that an exact network gives, by the oracle, or raise Unsound naming the layer whose sums may round.

    Every layer takes exact integers, so it is enough that no layer's own sums of absolute terms, forward and backward, exceed what the
    dtype holds: by induction every value of the network is then the one right answer.
    """
    graph, (x, weights, cotangents) = case.graph(), numbers(case)
    values: dict[str, Array] = {graph.model.inputs[0][0]: x.astype(np.float64)}
    for node in graph.nodes:
        operands = _operands(node, values, weights)
        _check(case, node, "its output", bounds.forward(node.op.lowering(), _absolute(operands), node.attributes).value)
        values[node.name] = bounds.forward(node.op.lowering(), operands, node.attributes).value
    gradients = _backward(case, graph, values, weights, cotangents)
    named = {f"output {place}": values[source] for place, (_, source) in enumerate(graph.model.outputs)}
    named |= {f"the gradient of {name}": gradients[name] for name in (graph.model.inputs[0][0], *graph.parameters)}
    for name, array in named.items():
        if np.ptp(array) == 0 and array.size > 1:
            raise Unsound(f"{case.id}: {name} is constant, so the case proves nothing. Choose another seed.")
    return {name: array.astype(case.dtype) + 0 for name, array in named.items()}


def _backward(
    case: NetworkCase, graph: Graph, values: Mapping[str, Array], weights: Mapping[str, Array], cotangents: tuple[Array, ...]
) -> dict[str, Array]:
    gradients: dict[str, Array] = {}
    sizes: dict[str, Array] = {}

    def collect(name: str, gradient: Array, size: Array) -> None:
        gradients[name] = gradients.get(name, 0) + gradient
        sizes[name] = sizes.get(name, 0) + size

    for (_, source), cotangent in zip(graph.model.outputs, cotangents, strict=True):
        collect(source, cotangent.astype(np.float64), np.abs(cotangent))
    for node in reversed(graph.nodes):
        if node.name not in gradients:
            continue
        _check(case, node, "the sum of its gradients", sizes[node.name])
        operands, dy = _operands(node, values, weights), gradients[node.name]
        found = bounds.gradients(node.op.lowering(), operands, dy, node.attributes)
        # A choice, of a maximum or of what is positive, must be made from the true values.
        chosen = operands if not node.parameters else _absolute(operands)
        limits = bounds.gradients(node.op.lowering(), chosen, np.abs(dy), node.attributes)
        for name, ball, limit in zip((*node.inputs, *(f"{node.name}.{key}" for key in node.op.operands)), found, limits, strict=True):
            if ball is not None and limit is not None:
                _check(case, node, f"the gradient of {name}", limit.value)
                collect(name, ball.value, np.abs(ball.value))
    return gradients


def _operands(node: Node, values: Mapping[str, Array], weights: Mapping[str, Array]) -> list[Array | None]:
    held = [weights.get(f"{node.name}.{key}") for key in node.op.operands]
    return [*(values[source] for source in node.inputs), *(None if item is None else item.astype(np.float64) for item in held)]


def _absolute(operands: list[Array | None]) -> list[Array | None]:
    return [None if value is None else np.abs(value) for value in operands]


def _check(case: NetworkCase, node: Node, what: str, sums: Array) -> None:
    largest, limit = float(np.abs(sums).max(initial=0)), 2.0 ** BITS[case.dtype]
    if not largest <= limit:
        raise Unsound(
            f"{case.id}: {node.name} ({node.op}) is not provably exact: the terms of {what} may add up to {largest:.4g}, and {case.dtype} "
            f"holds whole numbers up to {limit:.0f}. Use a smaller batch or another seed."
        )


NETWORKS = (
    *(NetworkCase("lenet", "exact", seed, dtype) for seed in range(4) for dtype in ("float32", "float64")),
    *(NetworkCase("inception-block", "exact", 0, dtype, batch=2) for dtype in ("float32", "float64")),
    *(NetworkCase("tf-cnn", "exact", 0, dtype) for dtype in ("float32", "float64")),
    *(NetworkCase("lenet", "identical", seed, batch=batch) for seed, batch in enumerate((3, 1, 16))),
    NetworkCase("inception-block", "identical", batch=2),
    NetworkCase("tf-cnn", "identical", slow=True),
    NetworkCase("nin", "identical", batch=1, slow=True),
    NetworkCase("resnet18", "identical", batch=2, slow=True),
    NetworkCase("vgg11-quarter", "identical", batch=1, slow=True),
)
"""Every network case."""
