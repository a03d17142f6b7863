"""Losses: one number for a batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from unicnn.ops.base import Misfit, Op, Shape, op
from unicnn.ops.fields import choice, field, number


class Loss(Op):
    """Be an op of an output and a target that returns one number, the mean or the sum over the samples."""

    inputs = 2

    @abstractmethod
    def target(self, shape: Shape) -> tuple[str, Shape]:
        """Return what the target of an output of `shape` is: ("labels" or "values", its shape without the batch axis)."""

    def output_shape(self, *shapes: Shape) -> Shape:
        self.target(shapes[0])
        return ()


@op("loss")
class CrossEntropy(Loss):
    """Return the cross entropy of softmax(x) at the labels: -log softmax(x)[label], x being raw scores (N, classes), labels whole numbers (N,)."""

    reduction: str = field(choice("mean", "sum"), default="mean")

    def target(self, shape: Shape) -> tuple[str, Shape]:
        if len(shape) != 1:
            raise Misfit("the cross entropy takes one score a class.", "End the network in Flatten() or Linear(classes).")
        return "labels", ()


@op("loss")
class SquaredError(Loss):
    """Return scale times the squared difference: averaged over a sample's values, then over the samples ("mean"), or summed over all ("sum")."""

    scale: float = field(number(), default=1.0)
    reduction: str = field(choice("mean", "sum"), default="mean")

    def target(self, shape: Shape) -> tuple[str, Shape]:
        return "values", shape

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return self.fields()


LOSSES = {"cross_entropy": CrossEntropy, "squared_error": SquaredError}
