"""Normalisation, and dropout."""

from __future__ import annotations

from typing import Any

from unicnn.ops.base import Activated, Misfit, Op, Parameter, Shape, need_image, op, resolve_axis
from unicnn.ops.fields import Written, choice, field, flag, integers, number


@op("norm")
class BatchNorm2d(Activated):
    """Normalise each channel by its mean and variance: y = (x - mean) / sqrt(var + eps) * scale + shift.

    In training mean and (biased) variance are the batch's, and the running ones move in the forward pass:
    running = keep*running + (1 - keep)*batch, with the biased or the unbiased variance as `running_var` says.
    In inference they are the running ones. `keep` is 1 - momentum of PyTorch and the momentum of everybody else.
    """

    operands = ("scale", "shift", "mean", "var")
    states = ("mean", "var")

    eps: float = field(number(0), default=1e-5)
    keep: float = field(number(0, 1), default=0.9)
    scale: bool = field(flag, default=True)
    shift: bool = field(flag, default=True)
    running_var: str = field(choice("biased", "unbiased"), default="biased")

    def output_shape(self, *shapes: Shape) -> Shape:
        return need_image(shapes[0])

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"eps": self.eps, "keep": self.keep, "unbiased": self.running_var == "unbiased"}

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        channels = (shapes[0][0],)
        learned = {"scale": self.scale, "shift": self.shift}
        held = {name: Parameter(channels, "vector") for name, wanted in learned.items() if wanted}
        return held | {name: Parameter(channels, "vector", trainable=False) for name in self.states}


@op("norm")
class LayerNorm(Op):
    """Normalise each sample over `axes` (negative ones count from the back; axis 0 is the batch) by its own mean and biased variance.

    The learned scale and shift have the sizes of those axes.
    """

    operands = ("scale", "shift")

    axes: Written = field(integers(-16), default=(-1,))
    eps: float = field(number(0), default=1e-5)
    scale: bool = field(flag, default=True)
    shift: bool = field(flag, default=True)

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        axes = tuple(sorted(resolve_axis(axis, len(shape) + 1) for axis in self.axes))
        if len(set(axes)) < len(axes) or not axes:
            raise Misfit(f"its axes {self.axes} name an axis twice or none at all.", "Name each axis once.")
        return axes

    def output_shape(self, *shapes: Shape) -> Shape:
        self._axes(shapes[0])
        return shapes[0]

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"axes": self._axes(shapes[0]), "eps": self.eps}

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        sizes = tuple(shapes[0][axis - 1] for axis in self._axes(shapes[0]))
        learned = {"scale": self.scale, "shift": self.shift}
        kind = "vector" if len(sizes) == 1 else "array"
        return {name: Parameter(sizes, kind) for name, wanted in learned.items() if wanted}


@op("dropout")
class Dropout(Op):
    """In training, zero each value with probability p and scale the others by 1/(1 - p); in inference, do nothing.

    The mask comes from the core's generator, so every backend drops the same values.
    """

    masked = True

    p: float = field(number(0, 1), default=0.5)

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {}

    def vanishes(self, training: bool) -> bool:
        return not training
