"""Relations: what must hold between results of the same backend, without any oracle.

Each relation is a function of a setting and its numbers that yields pairs of arrays which must be equal, element by element (-0 equals 0).
On whole numbers both sides are exact, so a relation holds under native numerics too. Under identical numerics those hold on any numbers that
leave alone which windows a sample has and what each of them sees, for the grid that a sample's values are rounded to follows from both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn.conformance.case import BITS, Data, Setting, draw
from unicnn.conformance.levels import Finding
from unicnn.conformance.relations import contractions, others
from unicnn.conformance.relations.asking import Asker, Pairs
from unicnn.conformance.target import Target
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Linear, LogSoftmax, MaxPool2d, ReLU, Softmax
from unicnn.ops.loss import Loss


@dataclass(frozen=True)
class Relation:
    """State what must hold, where it applies, and under which numerics and on which numbers."""

    name: str
    statement: str
    sides: Callable[[Asker, Setting, Data], Pairs]
    applies: Callable[[Setting], bool]
    under: tuple[tuple[str, str], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions written in place cannot travel to another process, but their number in the list can.
        return _relation, (RELATIONS.index(self),)


@dataclass(frozen=True)
class RelationCase:
    """Be one relation on one setting, under one numerics, on numbers drawn by a recipe."""

    relation: Relation
    setting: Setting
    numerics: str
    recipe: str
    level: str = "relations"
    dtype: str = "float32"

    @property
    def id(self) -> str:
        """Return the case's name."""
        return f"{self.setting.path}/relation-{self.relation.name}-{self.numerics}-{self.recipe}"

    @property
    def op(self) -> str:
        """Return the op's name."""
        return self.setting.op.lowering()


def holds(case: RelationCase, target: Target, *, forward_only: bool) -> Finding:
    """Demand that both sides of a relation be equal, finite and not constant."""
    data = draw(case.setting, case.recipe, case.dtype)
    varied = False
    for left, right in case.relation.sides(Asker(target, case.numerics), case.setting, data):
        if left.shape != right.shape:
            return Finding(f"one side has the shape {left.shape}, the other {right.shape}")
        if not np.isfinite(left).all():
            return Finding("a result is not finite")
        wrong = left != right
        if wrong.any():
            place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            return Finding(
                f"the sides differ in {int(wrong.sum())} of {wrong.size} elements, first at {place}: {left[place]} and {right[place]}"
            )
        varied = varied or np.ptp(left) > 0
    return Finding(None if varied else "all results are constant, so the relation proves nothing")


WHOLE = (("native", "lattice"),)
BOTH = (("native", "normal"), ("identical", "normal"))
ON_WHOLE_NUMBERS = (("native", "lattice"), ("identical", "lattice"))
IDENTICAL = (("native", "lattice"), ("identical", "wide"))
EVERYWHERE = (("native", "normal"), ("identical", "wide"))


def _of(*kinds: type) -> Callable[[Setting], bool]:
    return lambda setting: isinstance(setting.op, kinds)


def _conv(**wanted: Callable[[Any], bool]) -> Callable[[Setting], bool]:
    """Select convolutions whose normal form has attributes like these."""

    def applies(setting: Setting) -> bool:
        if not isinstance(setting.op, Conv2d):
            return False
        attributes = setting.graph().nodes[0].attributes
        return all(check(attributes[name]) for name, check in wanted.items())

    return applies


def _per_sample(setting: Setting) -> bool:
    """Select what a batch does not mix: everything but losses and a batch norm in training."""
    return not setting.training and not isinstance(setting.op, Loss) and setting.batch > 1


def _exact_per_sample(setting: Setting) -> bool:
    return setting.exact and _per_sample(setting)


def _pointwise(setting: Setting) -> bool:
    """Select convolutions that see one pixel at a time."""
    one = _conv(groups=lambda g: g == 1, stride=lambda s: s == (1, 1), padding=lambda p: p == ((0, 0), (0, 0)))
    return one(setting) and setting.op.kernel_size == (1, 1)  # type: ignore[attr-defined]


def _contraction(setting: Setting) -> bool:
    """Select what multiplies by weights, unless a crop leaves nothing that the input has a part in."""
    if not isinstance(setting.op, (Conv2d, ConvTranspose2d, Linear)):
        return False
    (node,) = setting.graph().nodes
    crop = node.attributes.get("crop", ((0, 0), (0, 0)))
    return all(size + min(after, 0) > 0 for size, (_, after) in zip(node.shape[1:], crop, strict=False))


def _square(setting: Setting) -> bool:
    return isinstance(setting.op, (Conv2d, ConvTranspose2d, MaxPool2d, AvgPool2d))


def _adjoint_fits(setting: Setting) -> bool:
    return _contraction(setting) and setting.batch > 1 and setting.terms * 64 * 8 <= 2.0 ** BITS["float32"]


_ALONE = "a sample alone, or at another place in the batch, gives what it gives in company"
RELATIONS = (
    Relation("scale", "conv(2^k x) = 2^k conv(x), and conv(-x) = -conv(x)", contractions.scaled, _contraction, EVERYWHERE),
    Relation("linearity", "f(x + y) = f(x) + f(y) without a bias", contractions.linear, _contraction, ON_WHOLE_NUMBERS),
    Relation("batch", _ALONE, others.batch, _exact_per_sample, WHOLE),
    Relation("batch", _ALONE, others.batch, _per_sample, IDENTICAL[1:]),
    Relation("poisoned-neighbour", "a sample of NaN leaves the other samples as they are", others.poisoned_neighbour, _exact_per_sample, WHOLE),
    Relation("memory", "an array in another order of memory, or with gaps, gives the same", others.strided_memory, _exact_per_sample, WHOLE),
    Relation("untouched", "inputs and cotangents are left as they are", others.untouched, lambda s: not isinstance(s.op, Loss), (("native", "normal"),)),
    Relation("twice", "computing twice gives the same, outputs and gradients", others.twice,
             lambda s: not isinstance(s.op, Loss), BOTH),
    Relation("output-channels", "permuting output channels permutes outputs", contractions.outputs_permuted,
             lambda s: isinstance(s.op, Linear) or _conv(groups=lambda g: g == 1)(s), IDENTICAL),
    Relation("input-channels", "permuting input channels together with the weights changes nothing", contractions.inputs_permuted,
             lambda s: isinstance(s.op, Linear) or (isinstance(s.op, (Conv2d, ConvTranspose2d)) and s.op.groups == 1), IDENTICAL),
    Relation("groups", "a grouped convolution is one convolution for each group, side by side", contractions.groups, _conv(groups=lambda g: g > 1), IDENTICAL),
    Relation("dilation", "a dilated kernel is a larger one with zeros", contractions.dilated_kernel, _conv(dilation=lambda d: max(d) > 1), ON_WHOLE_NUMBERS),
    Relation("stride", "a stride keeps every s-th output of stride 1", contractions.subsampled, _conv(stride=lambda s: max(s) > 1), ON_WHOLE_NUMBERS),
    Relation("padding", "padding is a border of zeros", contractions.padded_first, _conv(padding=lambda p: sum(map(sum, p)) > 0), IDENTICAL),
    Relation("shift", "shifting the input by the stride shifts the output", contractions.shifted, _conv(), IDENTICAL),
    Relation("turn", "height and width are alike", others.turned, lambda s: _square(s) and (s.exact or _contraction(s)), ON_WHOLE_NUMBERS),
    Relation("one-by-one", "a 1x1 convolution is a linear layer on every pixel", contractions.as_linear,
             _pointwise, ON_WHOLE_NUMBERS),
    Relation("one-hot", "a kernel of a single 1 gives the pixel under it", contractions.one_hot, _conv(groups=lambda g: g == 1), (*ON_WHOLE_NUMBERS, ("native", "normal"))),
    Relation("adjoint", "<conv(x), y> = <x, gradient in x> = <w, gradient in w>", contractions.adjoint, _adjoint_fits, ON_WHOLE_NUMBERS),
    Relation("tiles", "the maximum of a large window is that of the maxima of its parts", others.tiles, _of(MaxPool2d), BOTH),
    Relation("monotone", "a larger input has no smaller maximum, and a constant comes through", others.monotone, _of(MaxPool2d), ON_WHOLE_NUMBERS),
    Relation("global", "the global average is the average of one window", others.averaged, _of(AdaptiveAvgPool2d), ON_WHOLE_NUMBERS),
    Relation("shift-of-scores", "adding a constant to all scores changes no probability", others.softmax_shifted, _of(Softmax, LogSoftmax), ON_WHOLE_NUMBERS),
    Relation("classes", "permuting classes permutes probabilities", others.classes_permuted, _of(Softmax, LogSoftmax), (("identical", "normal"),)),
    Relation("scale-of-a-norm", "a normalisation does not see a power of two that eps is scaled with", others.norm_scaled,
             lambda s: isinstance(s.op, BatchNorm2d) and s.training, BOTH),
    Relation("idempotent", "relu of relu is relu", others.idempotent, _of(ReLU), EVERYWHERE),
)  # fmt: skip
"""Every relation."""


def _relation(place: int) -> Relation:
    return RELATIONS[place]


def relation_cases(settings: tuple[Setting, ...]) -> Iterator[RelationCase]:
    """Yield every relation on every setting that it applies to."""
    for setting in settings:
        for relation in RELATIONS:
            if relation.applies(setting):
                for numerics, recipe in relation.under:
                    yield RelationCase(relation, setting, numerics, recipe)
