"""Putting two sides next to each other: rows of a certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn.comparison.judge import judge
from unicnn.graph import Graph, Node, computed_op
from unicnn.numerics import bounds
from unicnn.porting.proof.certificate import Row
from unicnn.porting.proof.side import Observed

Array: TypeAlias = np.ndarray[Any, Any]


def distance(a: Array, b: Array) -> float:
    """Return the largest difference of two arrays relative to the largest value of the first; inf where one is not finite."""
    if a.shape != b.shape:
        return float("inf")
    if not a.size:
        return 0.0
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = float(np.nan_to_num(np.where(same, 0, np.abs(a - b)), nan=np.inf).max())
        scale = float(np.abs(a[np.isfinite(a)]).max(initial=0))
    return apart / scale if scale and apart else apart


def layer_rows(
    graph: Graph,
    original: Mapping[str, Observed],
    port: Mapping[str, Observed],
    renamed: Mapping[str, str],
    inputs: Sequence[Array],
    weights: Mapping[str, Array],
) -> list[Row]:
    """Return a row for each layer that both sides show; in float32, each is judged on the inputs that it had itself."""
    rows = []
    judges = [_Bounds(graph, original["float32"], {}, inputs, weights), _Bounds(graph, port["float32"], renamed, inputs, weights)]
    for node in graph.nodes:
        a, b = original["float64"].layers.get(node.name), port["float64"].layers.get(renamed.get(node.name, node.name))
        apart = None if a is None or b is None else distance(a, b)
        ratios = [item.ratio(node) for item in judges]
        found = [ratio for ratio in ratios if ratio is not None]
        both = None if len(found) < 2 else (found[0], found[1])
        rows.append(Row(node.name, str(node.op), node.shape, apart, both))
    return rows


class _Bounds:
    """Judge the layers of one side in float32 on the values before them."""

    def __init__(
        self, graph: Graph, observed: Observed, renamed: Mapping[str, str], inputs: Sequence[Array], weights: Mapping[str, Array]
    ) -> None:
        names = [name for name, _ in graph.model.inputs]
        self.values: dict[str, Array] = {name: array.astype(np.float32) for name, array in zip(names, inputs, strict=True)}
        self.values |= {
            node.name: observed.layers[renamed.get(node.name, node.name)]
            for node in graph.nodes
            if renamed.get(node.name, node.name) in observed.layers
        }
        self.weights = weights

    def ratio(self, node: Node) -> float | None:
        """Return the largest error of a layer over its bound, or None if the values before it are not known."""
        if node.name not in self.values or any(source not in self.values for source in node.inputs):
            return None
        operands: list[Array | None] = [self.values[source] for source in node.inputs]
        operands += [self.weights.get(f"{node.name}.{key}") for key in node.op.operands]
        attributes = dict(node.attributes) | ({"training": False} if node.op.states else {})
        ball = bounds.forward(computed_op(node, False), operands, attributes, "float32")
        return judge(self.values[node.name].astype(np.float32), ball).bound_ratio


def gradient_rows(original: Observed, port: Observed, renamed: Mapping[str, str]) -> list[Row]:
    """Return a row for each gradient that both sides give, in float64."""
    rows = []
    for name, a in original.gradients.items():
        layer, dot, role = name.rpartition(".")
        b = port.gradients.get(f"{renamed.get(layer, layer)}{dot}{role}")
        if b is not None:
            rows.append(Row(name, "gradient", a.shape, distance(a, b)))
    return rows
