"""Layers for which ONNX has no operator, or had none: recognised where they are written out.

Layer normalisation is a mean, a centred value, a variance; adaptive pooling is a product with matrices of zeros and ones on
both sides, divided by how many pixels each window has.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from unicnn.porting.tape import Call, Constant, Operand, Tape


def composed(tape: Tape) -> Tape:
    """Return the tape with what was recognised as one call; what nobody reads any more is left for others to drop."""
    found = _Found(tape)
    for call in tape.calls:
        found.take(call)
    return dataclasses.replace(tape, calls=tuple(found.calls.values()))


class _Found:
    def __init__(self, tape: Tape) -> None:
        self.constants: Mapping[str, Constant] = tape.constants
        self.calls: dict[str, Call] = {}
        self.readers = Counter(operand for call in tape.calls for operand in call.inputs if isinstance(operand, str))
        self.readers.update(name for _, name in tape.outputs)

    def take(self, call: Call) -> None:
        """Add a call, or what it completes."""
        for rule in (self._normalised, self._scaled, self._shifted, self._pooled, self._multiplied):
            made = rule(call)
            if made:
                for item in made:
                    self.calls[item.name] = item
                return
        self.calls[call.name] = call

    def _made_by(self, operand: Operand, *ops: str) -> Call | None:
        call = self.calls.get(operand) if isinstance(operand, str) else None
        return call if call is not None and call.op in ops else None

    def _normalised(self, call: Call) -> list[Call]:
        """Recognise (x - mean) / sqrt(mean of its square + eps)."""
        if call.op != "div":
            return []
        centred, root = self._made_by(call.inputs[0], "sub"), self._made_by(call.inputs[1], "sqrt")
        total = self._made_by(root.inputs[0], "add") if root is not None else None
        if centred is None or total is None:
            return []
        eps = next((item for item in total.inputs if isinstance(item, float)), None)
        variance = next((found for item in total.inputs if (found := self._made_by(item, "mean"))), None)
        mean = self._made_by(centred.inputs[1], "mean")
        if eps is None or variance is None or mean is None or not self._is_square(variance.inputs[0], centred.name):
            return []
        axes = mean.attributes["axes"]
        if mean.inputs[0] != centred.inputs[0] or variance.attributes["axes"] != axes or not mean.attributes["keepdims"] or 0 in axes:
            return []
        attributes = {"eps": eps, "axes": tuple(sorted(axes))}
        return [dataclasses.replace(call, op="layer_norm", inputs=(centred.inputs[0], None, None), attributes=attributes)]

    def _is_square(self, operand: Operand, of: str) -> bool:
        call = self._made_by(operand, "power", "square", "mul")
        return call is not None and call.inputs in ((of, 2.0), (of,), (of, of))

    def _scaled(self, call: Call) -> list[Call]:
        return self._joined(call, "mul", 1)

    def _shifted(self, call: Call) -> list[Call]:
        return self._joined(call, "add", 2)

    def _joined(self, call: Call, op: str, place: int) -> list[Call]:
        """Join a scale or a shift to the normalisation before it, if nothing else reads that."""
        if call.op != op or len(call.inputs) != 2:
            return []
        for value, known in (call.inputs, call.inputs[::-1]):
            norm = self._made_by(value, "layer_norm")
            constant = self.constants.get(known) if isinstance(known, str) else None
            if norm is None or constant is None or self.readers[norm.name] != 1 or any(norm.inputs[place:]):
                continue
            axes = norm.attributes["axes"]
            sizes = tuple(norm.shape[axis] for axis in axes)
            wide = tuple(size if axis in axes else 1 for axis, size in enumerate(norm.shape))
            if (1,) * (len(wide) - len(constant.shape)) + constant.shape != wide:
                continue
            made = []
            operand: Operand = known
            if constant.shape != sizes:
                operand = f"{call.name}/{op}"
                made.append(Call("reshape", operand, (known,), sizes, {}, call.path, call.own, call.where))
            inputs = tuple(operand if i == place else item for i, item in enumerate(norm.inputs))
            path, own = (call.path, True) if call.own else (norm.path, norm.own)
            return [*made, dataclasses.replace(norm, name=call.name, inputs=inputs, path=path, own=own, where=call.where)]
        return []

    def _pooled(self, call: Call) -> list[Call]:
        """Recognise rows @ x @ columns / counts, all windows of an adaptive pooling."""
        if call.op != "div":
            return []
        right = self._made_by(call.inputs[0], "linear")
        left = self._made_by(right.inputs[0], "onnx.MatMul") if right is not None else None
        if right is None or left is None or len(call.shape) != 4:
            return []
        rows, columns, counts = (self._array(item) for item in (left.inputs[0], right.inputs[1], call.inputs[1]))
        if rows is None or columns is None or counts is None or rows.ndim != 2:
            return []
        wanted = windows(rows.shape[1], rows.shape[0]), windows(*columns.shape)
        sizes = wanted[0].sum(1)[:, None] * wanted[1].sum(1)
        if not (np.array_equal(rows, wanted[0]) and np.array_equal(columns, wanted[1].T) and _same(counts, sizes)):
            return []
        attributes = {"output_size": call.shape[2:], "data": "NCHW"}
        return [dataclasses.replace(call, op="adaptive_avg_pool", inputs=(left.inputs[1],), attributes=attributes)]

    def _multiplied(self, call: Call) -> list[Call]:
        """Recognise a product of several values, whose steps are called after it: there is a Sum in ONNX, but no such product."""
        inner = self._made_by(call.inputs[0], "mul") if call.op == "mul" and call.own else None
        if inner is None or not inner.name.startswith(f"{call.name}/") or self.readers[inner.name] != 1:
            return []
        return [dataclasses.replace(call, inputs=(*inner.inputs, call.inputs[1]))]

    def _array(self, operand: Operand) -> np.ndarray[Any, Any] | None:
        if isinstance(operand, float):
            return np.array(operand)
        constant = self.constants.get(operand) if isinstance(operand, str) else None
        return None if constant is None or math.prod(constant.shape) > 2**20 else np.asarray(constant.read())


def windows(n: int, o: int) -> np.ndarray[Any, Any]:
    """Return which of n pixels each of o windows of an adaptive pooling holds, as rows of zeros and ones."""
    places = np.arange(n)
    return np.array([(places >= i * n // o) & (places < -(-(i + 1) * n // o)) for i in range(o)], np.float64)


def _same(counts: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any]) -> bool:
    return counts.size in (1, sizes.size) and bool(np.all(counts.reshape(counts.shape[-2:]) == sizes))
