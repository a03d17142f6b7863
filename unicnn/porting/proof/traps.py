"""Traps: what a port does that differs, found by trying. A known mistake is made on purpose; if it gives what the port gives, it is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn.comparison.judge import looks_like
from unicnn.errors import UnicnnError
from unicnn.graph import Graph, Node
from unicnn.model import Layer, Model
from unicnn.numerics.ball import exact
from unicnn.ops import (
    ELU,
    GELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Hardsigmoid,
    Identity,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Op,
    Pad,
    ReLU,
)
from unicnn.ops.conv import same_upper
from unicnn.porting.proof.judging import distance
from unicnn.porting.proof.side import Observed

Array: TypeAlias = np.ndarray[Any, Any]
CLOSE = 1e-9


@dataclass(frozen=True)
class Trap:
    """Be one mistake: other ops, other weights or other inputs for a layer, and what it is in a clause."""

    clause: str
    ops: tuple[Op, ...]
    weights: Mapping[str, Array]
    mode: str = "inference"


def likely_cause(
    graph: Graph, weights: Mapping[str, Array], port: Observed, renamed: Mapping[str, str], layer: str, inputs: Sequence[Array]
) -> str | None:
    """Return in a sentence what makes a layer of the port differ, or None if nothing is known about it."""
    node = next((node for node in graph.nodes if node.name == layer), None)
    if node is None:
        return None
    values: dict[str, Array] = {name: np.asarray(x, np.float64) for (name, _), x in zip(graph.model.inputs, inputs, strict=True)}
    values |= {
        item.name: port.layers[renamed.get(item.name, item.name)]
        for item in graph.nodes
        if renamed.get(item.name, item.name) in port.layers
    }
    if layer not in values or any(source not in values for source in node.inputs):
        return None
    operands = [values[source] for source in node.inputs]
    held = {role: weights[f"{layer}.{role}"] for role in node.parameters}
    right = _run(Trap("", (node.op,), held), operands)
    for trap in _traps(graph, node, held):
        wrong = _run(trap, operands)
        if wrong is not None and right is not None and distance(wrong, values[layer]) <= CLOSE < distance(right, wrong):
            return f"It is what {trap.clause} gives."
    if right is None or right.shape != values[layer].shape:
        return None
    apart = np.abs(values[layer] - right) > CLOSE * np.abs(right).max(initial=0)
    pattern = looks_like(values[layer], exact(right), apart) if apart.any() else None
    return None if pattern is None else f"{pattern[0].upper()}{pattern[1:]}."


def _run(trap: Trap, operands: Sequence[Array]) -> Array | None:
    """Return what the ops give one after the other, in float64, or None if they cannot take the operands."""
    from unicnn.program import lower

    names = [f"x{place}" for place in range(len(operands))]
    layers = [Layer(f"layer{i}", op, tuple(names) if i == 0 else (f"layer{i - 1}",)) for i, op in enumerate(trap.ops)]
    holder = next((layer.name for layer in layers if not isinstance(layer.op, (Pad, ReLU))), layers[0].name)
    try:
        model = Model.of([(name, value.shape[1:]) for name, value in zip(names, operands, strict=True)], layers, name="trap")
        program = lower(model, "numpy", numerics="float64", weights={f"{holder}.{role}": value for role, value in trap.weights.items()})
        given = [np.asarray(value, np.float64) for value in operands]
        result: Array = program(given if len(given) > 1 else given[0], mode=trap.mode)
        return result
    except UnicnnError:
        return None


def _traps(graph: Graph, node: Node, held: Mapping[str, Array]) -> Iterator[Trap]:
    op = node.op
    if isinstance(op, (Conv2d, MaxPool2d, AvgPool2d)):
        yield from _windows(op, node, held)
    if isinstance(op, Conv2d):
        yield from _kernels(op, held)
    if isinstance(op, Linear):
        yield from _rows(graph, node, held)
    if isinstance(op, BatchNorm2d):
        yield from _statistics(op, held)
    yield from _formulas(op, held)
    if "bias" in held:
        yield Trap("leaving the bias out", (op,), {**held, "bias": np.zeros_like(held["bias"])})


def _windows(op: Any, node: Node, held: Mapping[str, Array]) -> Iterator[Trap]:
    (top, bottom), (left, right) = node.attributes["padding"]
    size = node.input_shapes[0][1:]
    dilation = getattr(op, "dilation", (1, 1))
    same = same_upper((size[0], size[1]), op.kernel_size, op.stride, dilation)
    half = tuple((d * (k - 1) // 2,) * 2 for k, d in zip(op.kernel_size, dilation, strict=True))
    other = {
        "padding on the other side (where the odd pixel goes: TensorFlow's SAME puts it after)": ((bottom, top), (right, left)),
        f"TensorFlow's SAME, here {same}, in place of {((top, bottom), (left, right))},": same,
        f"a padding of half the kernel, {half}, in place of {((top, bottom), (left, right))},": half,
        "no padding": ((0, 0), (0, 0)),
        "the vertical padding used horizontally, and the other way round,": ((left, right), (top, bottom)),
    }
    for clause, sides in other.items():
        yield Trap(clause, (_replaced(op, padding=sides),), held)
    if isinstance(op, MaxPool2d):
        yield Trap(
            "a border of zeros, not of -inf, around values that may be negative",
            (Pad(node.attributes["padding"]), _replaced(op, padding=0)),
            {},
        )
    if isinstance(op, AvgPool2d):
        counts = "left out of" if op.count_include_pad else "counted in"
        yield Trap(f"padding {counts} the mean's divisor", (_replaced(op, count_include_pad=not op.count_include_pad),), {})
    if isinstance(op, (MaxPool2d, AvgPool2d)):
        yield Trap(f"sizes rounded {'down' if op.ceil_mode else 'up'}", (_replaced(op, ceil_mode=not op.ceil_mode),), {})
        yield Trap("a stride of 1, the default of mx.nd and of ONNX,", (_replaced(op, stride=1),), {})
    if isinstance(op, Conv2d) and dilation != (1, 1):
        yield Trap("the dilation left out", (_replaced(op, dilation=1),), held)


def _kernels(op: Conv2d, held: Mapping[str, Array]) -> Iterator[Trap]:
    weight = held["weight"]
    yield Trap("a flipped kernel", (op,), {**held, "weight": weight[:, :, ::-1, ::-1].copy()})
    if weight.shape[2] == weight.shape[3]:
        yield Trap("a kernel with rows and columns exchanged", (op,), {**held, "weight": weight.transpose(0, 1, 3, 2).copy()})
    if weight.shape[0] == weight.shape[1]:
        yield Trap("a kernel with input and output channels exchanged", (op,), {**held, "weight": weight.transpose(1, 0, 2, 3).copy()})


def _rows(graph: Graph, node: Node, held: Mapping[str, Array]) -> Iterator[Trap]:
    weight = held["weight"]
    before = next((item for item in graph.nodes if item.name == node.inputs[0]), None)
    while before is not None and not isinstance(before.op, Flatten):
        before = next((item for item in graph.nodes if before is not None and item.name == before.inputs[0]), None)
    if before is not None and len(before.input_shapes[0]) == 3:
        c, h, w = before.input_shapes[0]
        image = weight.reshape(-1, c, h, w)
        lasting = weight.reshape(-1, h, w, c)
        yield Trap(
            "dense rows in the order height, width, channels, where the values come in the order channels, height, width,",
            (node.op,),
            {**held, "weight": image.transpose(0, 2, 3, 1).reshape(weight.shape)},
        )
        yield Trap(
            "dense rows in the order channels, height, width, where the values come in the order height, width, channels,",
            (node.op,),
            {**held, "weight": lasting.transpose(0, 3, 1, 2).reshape(weight.shape)},
        )
    if weight.shape[0] == weight.shape[1]:
        yield Trap("a dense weight not transposed, (in, out) in place of (out, in),", (node.op,), {**held, "weight": weight.T.copy()})


def _statistics(op: BatchNorm2d, held: Mapping[str, Array]) -> Iterator[Trap]:
    for eps, who in ((1e-3, "Keras's and mx.nd's default"), (1e-5, "PyTorch's and Gluon's default"), (0.0, "none")):
        yield Trap(f"an epsilon of {eps:g} ({who}) in place of {op.eps:g}", (_replaced(op, eps=eps),), held)
    yield Trap("the statistics of the batch, as in training, in place of the running ones", (op,), held, "training")
    if "scale" in held:
        yield Trap("the scale ignored, as mx.nd.BatchNorm does with fix_gamma=True,", (op,), {**held, "scale": np.ones_like(held["scale"])})
    yield Trap("the running variance taken for a standard deviation", (op,), {**held, "var": held["var"] ** 2})
    yield Trap("mean and variance exchanged", (op,), {**held, "mean": held["var"], "var": np.abs(held["mean"])})


def _formulas(op: Op, held: Mapping[str, Array]) -> Iterator[Trap]:
    if isinstance(op, LeakyReLU):
        for slope, who in ((0.01, "PyTorch's"), (0.2, "tf.nn's"), (0.25, "mx.nd's"), (0.3, "Keras's layer's")):
            yield Trap(f"a slope of {slope} ({who} default) in place of {op.negative_slope:g}", (LeakyReLU(slope),), {})
    if isinstance(op, ELU):
        for alpha, who in ((0.25, "mx.nd's"), (1.0, "everybody else's")):
            yield Trap(f"an alpha of {alpha} ({who} default) in place of {op.alpha:g}", (ELU(alpha),), {})
    if isinstance(op, GELU):
        other = "none" if op.approximate == "tanh" else "tanh"
        yield Trap(f"GELU {'by the tanh formula' if other == 'tanh' else 'without the tanh formula'}", (GELU(other),), {})
    if isinstance(op, Hardsigmoid):
        for slope, who in ((0.2, "MXNet's, ONNX's and Keras 2's"), (1 / 6, "PyTorch's and Keras 3's")):
            yield Trap(f"a slope of {slope:.3g} ({who}) in place of {op.slope:.3g}", (Hardsigmoid(slope, 0.5),), {})
    if hasattr(op, "axis"):
        for axis in (1, 2, 3):
            yield Trap(f"axis {axis} in place of {op.axis}", (_replaced(op, axis=axis),), {})
    if not held and op.inputs == 1:
        yield Trap("leaving the layer out", (Identity(),), {})
        yield Trap("a ReLU", (ReLU(),), {})
    if held and op.inputs == 1:
        yield Trap("an activation that does not belong there: a ReLU behind the layer", (op, ReLU()), {})


def _replaced(op: Any, **changes: Any) -> Any:
    return dataclasses.replace(op, **changes)
