"""Which levels and recipes a setting is checked at: from its op, so that a new setting is checked in every way at once."""

from __future__ import annotations

from collections.abc import Iterator

from unicnn.conformance.case import BITS, Case, Setting
from unicnn.conformance.decisions import DECISIONS
from unicnn.conformance.kit import AnyCase
from unicnn.conformance.levels import NOT_FINITE
from unicnn.conformance.networks import NETWORKS
from unicnn.conformance.recipes import canary_bits
from unicnn.conformance.relations import relation_cases
from unicnn.numerics import bounds
from unicnn.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Transpose,
)
from unicnn.ops.base import family
from unicnn.ops.loss import Loss

DTYPES = ("float32", "float64")
TENSOR_CORE_BITS = 11
"""How many bits TF32 keeps: a canary has to be longer."""
SCALES = (
    Add,
    AvgPool2d,
    AdaptiveAvgPool2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Transpose,
)
"""Ops that commute with multiplication by a power of two."""


def cases(settings: tuple[Setting, ...]) -> Iterator[AnyCase]:
    """Yield every case: those of the settings, the relations, the decisions on special values, and whole networks."""
    for setting in settings:
        yield from _levels(setting)
        yield from relation_cases((setting,))
    yield from DECISIONS
    yield from NETWORKS


def _levels(setting: Setting) -> Iterator[Case]:
    contraction = setting.op.lowering() in bounds.CONTRACTIONS
    for dtype in DTYPES:
        if setting.exact:
            for recipe in ("lattice", "dyadic") if isinstance(setting.op, SCALES) else ("lattice",):
                yield Case(setting, "exact", recipe, dtype)
        if contraction and canary_bits(setting.terms, BITS[dtype]) > TENSOR_CORE_BITS:
            for recipe in ("canary", "gradient-canary"):
                yield Case(setting, "exact", recipe, dtype)
        for recipe in (
            "normal",
            "wide",
            *(() if family(type(setting.op)) == "activation" else ("positive",)),
        ):  # activations saturate there
            yield Case(setting, "bounded", recipe, dtype)
    if contraction:
        yield Case(setting, "sharp", "normal")
    for recipe in ("normal", "wide", "tiny", *(("lattice",) if setting.exact else ())):
        yield Case(setting, "identical", recipe)
    if not isinstance(setting.op, Loss):
        for recipe in NOT_FINITE if contraction else NOT_FINITE[:1]:
            yield Case(setting, "identical", recipe)
    if not isinstance(setting.op, Loss) and not setting.training:
        # The square of the largest number, of which a layer norm takes the mean, is infinite in float32 and not in the oracle.
        for recipe in (
            "nan",
            "infinities",
            *(() if isinstance(setting.op, LayerNorm) else ("largest",)),
            *(("gradient-nan",) if contraction else ()),
        ):
            yield Case(setting, "special", recipe)
