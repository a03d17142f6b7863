"""Patterns: a function written out in arithmetic is recognised as the one word it means.

A pattern is a tree of tuples (op, operand, …): "x" stands for one and the same value wherever it appears, a number for a number, a
name with a capital letter for any number. `add` and `mul` match in either order.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from unicnn.porting.lifting.reductions import reduced
from unicnn.porting.tape import Call, Operand, Tape

Tree: TypeAlias = Any
Found: TypeAlias = dict[str, Operand]

_RELU6_OF_3: Tree = ("relu6", ("add", "x", 3.0))
_GATE: Tree = ("hardsigmoid", "x")
_ERF: Tree = ("erf", ("div", "x", math.sqrt(2)))
_ERF_TIMES: Tree = ("erf", ("mul", "x", math.sqrt(0.5)))
_INNER: Tree = ("mul", ("add", "x", ("mul", ("power", "x", 3.0), 0.044715)), math.sqrt(2 / math.pi))
_TANH: Tree = ("tanh", _INNER)


PATTERNS: tuple[tuple[Tree, str, Callable[[Any], Mapping[str, Any] | None]], ...] = (
    (("clip", "x", 0.0, 6.0), "relu6", lambda _: {}),
    (("clip", "x", 0.0, math.inf), "relu", lambda _: {}),
    (("minimum", ("relu", "x"), 6.0), "relu6", lambda _: {}),
    (("maximum", "x", 0.0), "relu", lambda _: {}),
    (("maximum", "x", ("mul", "x", "A")), "leaky_relu", lambda found: {"negative_slope": found["A"]} if found["A"] <= 1 else None),
    (("div", _RELU6_OF_3, 6.0), "hardsigmoid", lambda _: {"slope": 1 / 6, "offset": 0.5}),
    (("mul", _RELU6_OF_3, 1 / 6), "hardsigmoid", lambda _: {"slope": 1 / 6, "offset": 0.5}),
    (("clip", ("add", ("mul", "x", "A"), "B"), 0.0, 1.0), "hardsigmoid", lambda found: {"slope": found["A"], "offset": found["B"]}),
    (("div", ("mul", "x", _RELU6_OF_3), 6.0), "hardswish", lambda _: {}),
    (("mul", ("mul", "x", _RELU6_OF_3), 1 / 6), "hardswish", lambda _: {}),
    (("mul", "x", _GATE), "hardswish", lambda _: {}),
    (("mul", "x", ("sigmoid", "x")), "silu", lambda _: {}),
    (("clip", "x", 0.0, 1.0), "hardsigmoid", lambda _: {"slope": 1.0, "offset": 0.0}),
    (
        ("where", ("greater", "x", 0.0), "x", ("mul", ("expm1", ("minimum", "x", 0.0)), "A")),
        "elu",
        lambda found: {"alpha": found["A"]},
    ),
    (("log", ("softmax", "x")), "log_softmax", lambda found: {"axis": found["axis"]}),
    (("div", 1.0, ("add", ("exp", ("neg", "x")), 1.0)), "sigmoid", lambda _: {}),
    *(
        (form, "gelu", lambda _: {"approximate": "none"})
        for erf in (_ERF, _ERF_TIMES)
        for form in (
            ("mul", ("mul", "x", 0.5), ("add", erf, 1.0)),
            ("mul", "x", ("mul", ("add", erf, 1.0), 0.5)),
            ("mul", ("mul", "x", ("add", erf, 1.0)), 0.5),
        )
    ),
    *(
        (form, "gelu", lambda _: {"approximate": "tanh"})
        for form in (
            ("mul", ("mul", "x", 0.5), ("add", _TANH, 1.0)),
            ("mul", "x", ("mul", ("add", _TANH, 1.0), 0.5)),
            ("mul", ("mul", "x", ("add", _TANH, 1.0)), 0.5),
        )
    ),
)


def recognise(tape: Tape) -> Tape:
    """Return the tape with every pattern replaced by its word; what then nobody reads is left out."""
    calls: dict[str, Call] = {}
    shapes = dict(tape.inputs)
    for call in tape.calls:
        calls[call.name], shapes[call.name] = call, call.shape
        calls[call.name] = turned(reduced(_recognised(call, calls), calls, shapes), calls)
    return dataclasses.replace(tape, calls=tuple(_needed(tape, calls)))


def turned(call: Call, calls: Mapping[str, Call]) -> Call:
    """Return a layer norm of other axes for one between two transpositions that undo each other, if one module does all three."""
    norm = _source(call, calls, "transpose", "layer_norm")
    first = None if norm is None else _source(norm, calls, "layer_norm", "transpose")
    if norm is None or first is None or not call.path or not call.path == norm.path == first.path:
        return call
    there, back = first.attributes["axes"], call.attributes["axes"]
    if [there[axis] for axis in back] != list(range(len(back))):
        return call
    axes = tuple(there[axis] for axis in norm.attributes["axes"])
    return dataclasses.replace(
        call, op="layer_norm", inputs=(first.inputs[0], *norm.inputs[1:]), attributes={**norm.attributes, "axes": axes}
    )


def _source(call: Call, calls: Mapping[str, Call], op: str, before: str) -> Call | None:
    """Return the call that `call`, of `op`, takes its value from, if that is of the kind `before`."""
    source = calls.get(str(call.inputs[0])) if call.op == op and call.inputs else None
    return source if source is not None and source.op == before else None


def _recognised(call: Call, calls: Mapping[str, Call]) -> Call:
    for tree, word, attributes in PATTERNS:
        found = next(_match(tree, call.name, calls, {}), None)
        if found is not None and isinstance(found.get("x"), str) and (settings := attributes(found)) is not None:
            return dataclasses.replace(call, op=word, inputs=(found["x"],), attributes=settings)
    return call


def _equal(number: float, wanted: float) -> bool:
    """Tell whether a number in code is the one of a formula, as float32 has it: some frameworks keep it as that."""
    return bool(np.float32(number) == np.float32(wanted))


def _match(tree: Tree, operand: Operand, calls: Mapping[str, Call], found: Found) -> Iterator[Found]:
    if isinstance(tree, float):
        if isinstance(operand, (int, float)) and _equal(operand, tree):
            yield found
    elif isinstance(tree, str):
        number = tree.isupper()
        if number == isinstance(operand, (int, float)) and found.get(tree, operand) == operand and operand is not None:
            yield {**found, tree: operand}
    elif isinstance(operand, str) and operand in calls and calls[operand].op == tree[0]:
        call = calls[operand]
        operands: tuple[Operand, ...] = call.inputs
        if tree[0] == "clip":
            operands = (*operands, _number(call.attributes["low"], -math.inf), _number(call.attributes["high"], math.inf))
        if tree[0] in ("softmax",):
            found = {**found, "axis": call.attributes["axis"]}
        if tree[0] == "hardsigmoid" and not (_equal(call.attributes["slope"], 1 / 6) and call.attributes["offset"] == 0.5):
            return
        orders = [operands, operands[::-1]] if tree[0] in ("add", "mul", "maximum", "minimum") and len(operands) == 2 else [operands]
        for order in orders:
            yield from _match_all(tree[1:], order, calls, found)


def _match_all(trees: tuple[Tree, ...], operands: tuple[Operand, ...], calls: Mapping[str, Call], found: Found) -> Iterator[Found]:
    if len(trees) != len(operands):
        return
    if not trees:
        yield found
        return
    for first in _match(trees[0], operands[0], calls, found):
        yield from _match_all(trees[1:], operands[1:], calls, first)


def _number(value: float | None, default: float) -> float:
    return default if value is None else float(value)


def _needed(tape: Tape, calls: Mapping[str, Call]) -> Iterator[Call]:
    """Yield the calls that an output depends on, in order."""
    wanted = {value for _, value in tape.outputs}
    kept = []
    for call in reversed(tuple(calls.values())):
        if call.name in wanted:
            kept.append(call)
            wanted.update(operand for operand in call.inputs if isinstance(operand, str))
    return reversed(kept)
