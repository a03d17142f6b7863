"""The checks: one case on one backend, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import oracle
from unicnn.comparison.judge import judge
from unicnn.conformance.case import Case
from unicnn.graph import Graph, Node, computed_op, infer
from unicnn.numerics import bounds
from unicnn.numerics.ball import Ball
from unicnn.ops.loss import Loss
from unicnn.program import Program, lower

Array: TypeAlias = np.ndarray[Any, Any]

NUMERICS = {"float32": "native", "float64": "float64"}
"""The numerics that a dtype is checked under unless others are named."""
LARGEST_EXACT = {"float32": 2.0**24, "float64": 2.0**53}


class Mismatch(AssertionError):
    """Report a check that a backend fails: the case, what was checked, and how far off it is."""


@dataclass(frozen=True)
class Result:
    """Pair what a backend computed with what it should be.

    `partial` bounds the absolute value of every partial sum, in whatever order the terms are added.
    """

    what: str
    computed: Array
    expected: Ball
    partial: float


def run(case: Case, backend: str, device: str = "cpu", dtype: str = "float32", recipe: str = "normal", numerics: str | None = None) -> None:
    """Check outputs and all gradients of `case` on a backend against the oracle; raise Mismatch if any is off.

    `numerics` are those of the dtype, "native" or "float64", unless given. With the recipe "lattice" every element must be the one right answer; otherwise each error must keep its bound.
    """
    results = list(_Trial(case, backend, device, dtype, recipe, numerics or NUMERICS[dtype]).results())
    for result in results:
        where = f"{case.path} on {backend} ({device}, {dtype}, {recipe}): {result.what}"
        if recipe == "lattice" and (case.exact_gradients or "gradient of" not in result.what):
            _check_exact(where, result)
        else:
            _check_bound(where, result)
    _check_telling(case.path, results)


class _Trial:
    """Run one case once, and pair everything it computed with what it should be."""

    def __init__(self, case: Case, backend: str, device: str, dtype: str, recipe: str, numerics: str) -> None:
        self.case, self.dtype, self.recipe = case, dtype, recipe
        model = case.model()
        self.graph: Graph = infer(model)
        self.inputs = [self._draw(f"input{place}", (case.batch, *shape)) for place, shape in enumerate(case.shapes)]
        self.weights = {name: self._parameter(name, parameter.shape) for name, parameter in self.graph.parameters.items()}
        self.program: Program = lower(model, backend, device, numerics, weights=self.weights)
        self.normwise = self.program.numerics.bitwise
        self.mode = "training" if case.training else "inference"

    def _draw(self, what: str, shape: tuple[int, ...]) -> Array:
        return self.case.values(self.recipe, self.dtype, what, shape)

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Array:
        values = self._draw(name, shape)
        return np.abs(values) + values.dtype.type(0.5) if name.endswith(".var") else values

    def results(self) -> Iterable[Result]:
        """Return the output, each input's gradient and each parameter's."""
        return self._loss_results() if isinstance(self.case.op, Loss) else self._op_results()

    def _op_results(self) -> Iterable[Result]:
        node = self.graph.nodes[0]
        op, operands, attributes = computed_op(node, self.case.training), self._operands(node), self._attributes(node)
        x: Any = tuple(self.inputs) if len(self.inputs) > 1 else self.inputs[0]
        cotangent = self._draw("cotangent", (self.case.batch, *node.shape))
        alone = self.program(x, mode=self.mode)
        states = list(self._states(node, operands, attributes))
        self.program.load(self.weights)
        output, gradients = self.program.vjp(x, cotangent, mode=self.mode)
        expected = bounds.forward(op, operands, attributes, self.dtype, normwise=self.normwise)
        largest = _largest(bounds.forward(op, _absolute(operands), attributes, self.dtype), attributes)
        yield Result("the output", alone, expected, largest)
        yield Result("the output beside gradients", output, expected, largest)
        yield from states
        balls = bounds.gradients(op, operands, cotangent, attributes, self.dtype, normwise=self.normwise)
        limits = bounds.gradients(op, _absolute(operands), np.abs(cotangent), attributes, self.dtype)
        for name, ball, limit in zip(self._operand_names(node), balls, limits, strict=True):
            if ball is not None and limit is not None and name in gradients:
                yield Result(f"the gradient of {name}", gradients[name], ball, _largest(limit, attributes))

    def _states(self, node: Node, operands: list[Array | None], attributes: Mapping[str, Any]) -> Iterable[Result]:
        if not (self.case.training and node.op.states):
            return
        precision = bounds.precision(self.dtype)
        wide = [None if value is None else value.astype(np.float64) for value in operands]
        _, *moved = getattr(oracle, node.op.lowering())(*wide, **attributes)
        after = self.program.weights()
        # A mean of squares over the batch, and an interpolation: n + 4 roundings of sums of this size.
        x = np.abs(self.inputs[0]).astype(np.float64)
        size = (x * x).mean(axis=(0, 2, 3)) + x.mean(axis=(0, 2, 3)) + 1
        count = x.size // x.shape[1]
        for key, value in zip(node.op.states, moved, strict=True):
            ball = Ball(value, precision.gamma(2 * count + 8) * (np.abs(value) + size), precision)
            yield Result(f"the running {key}", after[f"op.{key}"], ball, math.inf)

    def _operand_names(self, node: Node) -> list[str]:
        masks = ["mask"] if node.op.masked and self.case.training else []
        return [*(name for name, _ in self.graph.model.inputs), *masks, *(f"op.{key}" for key in node.op.operands)]

    def _operands(self, node: Node) -> list[Array | None]:
        masks = list(self.program.masks(self.case.batch, 0).values()) if self.case.training else []
        return [*self.inputs, *masks, *(self.weights.get(f"op.{key}") for key in node.op.operands)]

    def _attributes(self, node: Node) -> dict[str, Any]:
        return dict(node.attributes) | ({"training": self.case.training} if node.op.states else {})

    def _loss_results(self) -> Iterable[Result]:
        loss = self.case.op
        assert isinstance(loss, Loss)
        x, shape = self.inputs[0], self.case.shapes[0]
        role, wanted = loss.target(shape)
        target = self._draw("target", (self.case.batch, *wanted))
        if role == "labels":
            target = np.abs(target * 7).astype(np.int64) % shape[0]
        value, gradients = self.program.gradients(x, target, loss)
        attributes = loss.attributes(shape)
        expected = bounds.forward(loss.lowering(), [x, target], attributes, self.dtype)
        ball = bounds.gradients(loss.lowering(), [x, target], np.ones(()), attributes, self.dtype)[0]
        assert ball is not None
        yield Result("the loss", np.asarray(value, self.dtype), expected, math.inf)
        yield Result("the gradient", gradients["input"], ball, math.inf)


def _absolute(operands: list[Array | None]) -> list[Array | None]:
    return [None if value is None else np.abs(value) for value in operands]


def _largest(ball: Ball, attributes: Mapping[str, Any]) -> float:
    """Return the largest sum of absolute terms, before a mean divides it."""
    return float(ball.value.max(initial=0)) * math.prod(attributes.get("kernel_size", (1,)))


def _check_exact(where: str, result: Result) -> None:
    """Raise unless every element is the exact result, once it is proven that no order of summation can round."""
    computed = result.computed
    limit = LARGEST_EXACT[str(computed.dtype)]
    if not result.partial <= limit:
        raise Mismatch(f"{where} is not provably exact: its terms may add up to {result.partial:g}, and {limit:.0f} is the limit.")
    expected = result.expected.value.astype(computed.dtype)
    if computed.shape != expected.shape:
        raise Mismatch(f"{where} has the shape {computed.shape}, not {expected.shape}.")
    wrong = ~(computed == expected)
    if wrong.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        raise Mismatch(
            f"{where} is wrong in {int(wrong.sum())} of {wrong.size} elements, first at {place}: {computed[place]} is not {expected[place]}."
        )


def _check_bound(where: str, result: Result) -> None:
    judgement = judge(result.computed, result.expected)
    if not judgement.agrees:
        raise Mismatch(f"{where} is off by {judgement.bound_ratio:.3g} times its bound: {judgement.looks_like}.")


def _check_telling(path: str, results: list[Result]) -> None:
    """Raise if the case could not have failed: if its results are all one value or not finite."""
    for result in results:
        values = result.expected.value
        if not np.isfinite(values).all() or not np.isfinite(result.expected.radius).all():
            raise Mismatch(f"{path}: {result.what} has no finite bound, so the case proves nothing. Choose other inputs.")
    if all(np.ptp(result.expected.value) == 0 for result in results if result.expected.value.size > 1):
        raise Mismatch(f"{path}: all results are constant, so the case proves nothing. Choose other inputs.")
