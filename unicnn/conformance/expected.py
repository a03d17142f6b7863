"""What a case should give: the oracle's values, how far off a right answer may be, and the proof that an exact case is exact."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from unicnn import oracle, randomness
from unicnn.conformance.case import BITS, Case, Data, Setting
from unicnn.errors import UnicnnError
from unicnn.graph import computed_op
from unicnn.numerics import bounds
from unicnn.numerics.ball import Ball
from unicnn.ops.loss import Loss

Array: TypeAlias = np.ndarray[Any, Any]


class Unsound(UnicnnError, AssertionError):
    """Report a case that proves nothing: one called exact whose sums may round, or one whose results are constant or not finite."""


@dataclass(frozen=True)
class Expected:
    """Hold the exact values with the radius within which a right answer lies.

    `partial` bounds the absolute value of every partial sum, in whatever order the terms are added, and is infinite where nothing is proven.
    """

    ball: Ball
    partial: float = math.inf


@lru_cache(maxsize=4)
def forward(case: Case, *, normwise: bool = False) -> dict[str, Expected]:
    """Return what `Target.forward` should give, by name."""
    setting, data = case.setting, case.data()
    operands, attributes, op = _call(setting, data)
    ball = bounds.forward(op, operands, attributes, case.dtype, normwise=normwise)
    if isinstance(setting.op, Loss):
        return {"the loss": Expected(ball)}
    return {"the output": Expected(ball), **{f"the running {key}": Expected(item) for key, item in _states(case, operands, attributes)}}


@lru_cache(maxsize=4)
def backward(case: Case, *, normwise: bool = False) -> dict[str, Expected]:
    """Return what `Target.backward` should give, by name."""
    setting, data = case.setting, case.data()
    operands, attributes, op = _call(setting, data)
    cotangent = np.ones(()) if isinstance(setting.op, Loss) else data.cotangent
    balls = bounds.gradients(op, operands, cotangent, attributes, case.dtype, normwise=normwise)
    found = {
        f"the gradient of {name}": Expected(ball)
        for name, ball in zip(_operand_names(setting), balls, strict=True)
        if ball is not None and name is not None
    }
    if isinstance(setting.op, Loss):
        return found
    beside = {f"{name} beside gradients": item for name, item in forward(case, normwise=normwise).items()}
    return {**beside, **found}


def proven(case: Case) -> dict[str, Expected]:
    """Return all that an exact case should give, or raise Unsound if the sums of absolute terms exceed what the dtype holds exactly.

    Scaling by powers of two changes nothing about exactness, so a dyadic case is proven on the lattice that it scales.
    """
    values = {**forward(case), **(backward(case) if case.setting.exact_gradients else {})}
    plain = Case(case.setting, case.level, "lattice", case.dtype) if case.recipe == "dyadic" else case
    limit = 2.0 ** BITS[case.dtype]
    results = {}
    for name, partial in _partial_sums(plain):
        if name not in values:
            continue
        if not partial <= limit:
            raise Unsound(
                f"{case.id}: {name} is not provably exact, for its terms may add up to {partial:.4g}, and {case.dtype} holds whole numbers "
                f"up to {limit:.0f}. Use fewer terms or smaller numbers, or make it a bounded case."
            )
        results[name] = Expected(values[name].ball, partial)
    return telling(case.id, results)


def telling(name: str, results: dict[str, Expected]) -> dict[str, Expected]:
    """Return `results`, or raise Unsound if a wrong backend could give them too: if all are constant, or one is not finite."""
    for what, item in results.items():
        if not np.isfinite(item.ball.value).all() or not np.isfinite(item.ball.radius).all():
            raise Unsound(f"{name}: {what} has no finite bound, so the case proves nothing. Choose other inputs.")
    several = [item.ball.value for item in results.values() if item.ball.value.size > 1]
    if several and all(np.ptp(value) == 0 for value in several):
        raise Unsound(f"{name}: all results are constant, so the case proves nothing. Choose other inputs.")
    return results


def absolute(case: Case) -> Array:
    """Return the op applied to absolute values: where it adds up, no partial sum is larger."""
    operands, attributes, op = _call(case.setting, case.data())
    with np.errstate(all="ignore"):
        return bounds.forward(op, [None if value is None else np.abs(value) for value in operands], attributes, case.dtype).value


def _partial_sums(case: Case) -> Iterator[tuple[str, float]]:
    """Yield for each result the largest sum of its terms' absolute values, before a mean divides it."""
    setting, data = case.setting, case.data()
    operands, attributes, op = _call(setting, data)
    absolute = [None if value is None else np.abs(value) for value in operands]
    window = math.prod(attributes.get("kernel_size", (1,)))
    largest = float(bounds.forward(op, absolute, attributes, case.dtype).value.max(initial=0)) * window
    yield "the output", largest
    yield "the output beside gradients", largest
    if setting.exact_gradients:
        balls = bounds.gradients(op, absolute, np.abs(data.cotangent), attributes, case.dtype)
        for name, ball in zip(_operand_names(setting), balls, strict=True):
            if ball is not None and name is not None:
                yield f"the gradient of {name}", float(ball.value.max(initial=0)) * window


def _call(setting: Setting, data: Data) -> tuple[list[Array | None], dict[str, Any], str]:
    """Return the operands, the attributes and the name of the function that a setting computes."""
    if isinstance(setting.op, Loss):
        return [data.x, data.cotangent], setting.op.attributes(setting.shapes[0]), setting.op.lowering()
    node = setting.graph().nodes[0]
    operands = [*data.inputs, *masks(setting).values(), *(data.weights.get(f"op.{key}") for key in node.op.operands)]
    attributes = dict(node.attributes) | ({"training": setting.training} if node.op.states else {})
    return operands, attributes, computed_op(node, setting.training)


def masks(setting: Setting) -> dict[str, Array]:
    """Return the dropout masks of a setting in training, by layer; they are the core's, the same for every backend."""
    nodes = [node for node in setting.graph().nodes if node.op.masked and setting.training]
    return {node.name: randomness.mask((setting.batch, *node.shape), node.op.p, "dropout", 0, node.name, 0) for node in nodes}  # type: ignore[attr-defined]


def _operand_names(setting: Setting) -> list[str | None]:
    """Return the names under which a program gives the operands' gradients, None for what has none there."""
    if isinstance(setting.op, Loss):
        return ["input", None]
    node = setting.graph().nodes[0]
    learned = {key for key, item in node.parameters.items() if item.trainable}
    parameters = [f"op.{key}" if key in learned else None for key in node.op.operands]
    return [*(name for name, _ in setting.model().inputs), *(None for _ in masks(setting)), *parameters]


def _states(case: Case, operands: list[Array | None], attributes: Mapping[str, Any]) -> Iterator[tuple[str, Ball]]:
    """Yield the running statistics after a training pass: a mean over the batch, and an interpolation."""
    node = case.setting.graph().nodes[0]
    if not (case.setting.training and node.op.states):
        return
    precision = bounds.precision(case.dtype)
    wide = [None if value is None else value.astype(np.float64) for value in operands]
    _, *moved = getattr(oracle, node.op.lowering())(*wide, **attributes)
    x = np.abs(case.data().inputs[0]).astype(np.float64)
    size = (x * x).mean(axis=(0, 2, 3)) + x.mean(axis=(0, 2, 3)) + 1
    count = x.size // x.shape[1]
    for key, value in zip(node.op.states, moved, strict=True):
        yield key, Ball(value, precision.gamma(2 * count + 8) * (np.abs(value) + size), precision)
