"""Clipping: limits on gradients, which a step takes before its optimiser moves a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from unicnn.ops.fields import field, number
from unicnn.training.optimizers import SMALLEST_EPS
from unicnn.training.settings import Setting, setting

CLIPS: dict[str, type[Clip]] = {}


@setting()
class Clip(Setting):
    """Be a limit on gradients."""

    limit: float = field(number(low=SMALLEST_EPS))


@setting(CLIPS)
class ClipValue(Clip):
    """Limit each element of a gradient to [-limit, limit] (MXNet `clip_gradient`, Keras `clipvalue`)."""


@setting(CLIPS)
class ClipNorm(Clip):
    """Scale each parameter's gradient down to a 2-norm of at most `limit` (Keras `clipnorm`)."""


@setting(CLIPS)
class ClipGlobalNorm(Clip):
    """Scale all gradients by one factor, limit / max(norm + eps, limit), their 2-norm together being `norm`.

    PyTorch's `clip_grad_norm_` has an eps of 1e-6, Keras's `global_clipnorm` and MXNet's `clip_global_norm` none or 1e-8.
    """

    eps: float | None = field(number(low=0.0), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"torch": {"eps": 1e-6}, "keras": {"eps": 0.0}, "gluon": {"eps": 1e-8}}


__all__ = ["CLIPS", "Clip", "ClipGlobalNorm", "ClipNorm", "ClipValue"]
