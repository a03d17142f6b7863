"""Saboteurs of the backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unicnn.plan import Argument, Plan

from ..saboteur import Array, Function, Saboteur, around, instead, taking

CONV, LINEAR = ("conv2d",), ("linear",)
SOME = ("conv2d", "linear", "batch_norm2d", "max_pool2d", "tanh")


def _zero(argument: Argument, gradient: Array, samples: int) -> Array:
    return np.zeros_like(gradient)


def _negated(argument: Argument, gradient: Array, samples: int) -> Array:
    return -gradient


def _scaled(argument: Argument, gradient: Array, samples: int) -> Array:
    return gradient * gradient.dtype.type(samples)


def _averaged(argument: Argument, gradient: Array, samples: int) -> Array:
    return gradient / gradient.dtype.type(samples) if argument.role == "parameter" else gradient


def _no_input(argument: Argument, gradient: Array, samples: int) -> Array:
    return np.zeros_like(gradient) if argument.role == "input" else gradient


def _clipped(argument: Argument, gradient: Array, samples: int) -> Array:
    """Scale a gradient down to a norm of 5, as a step of training that is not asked for."""
    norm = np.sqrt((gradient.astype(np.float64) ** 2).sum())
    return gradient if norm <= 5 else (gradient * (5 / norm)).astype(gradient.dtype)


def _decayed(argument: Argument, gradient: Array, samples: int) -> Array:
    return gradient * gradient.dtype.type(1.01)


def _remembering() -> Any:
    """Add the gradients of the call before, as a framework does whose gradients nobody sets to zero."""
    before: dict[tuple[Any, ...], Array] = {}

    def change(argument: Argument, gradient: Array, samples: int) -> Array:
        key = (argument.name, gradient.shape, gradient.dtype)
        total = gradient + before.get(key, gradient.dtype.type(0))
        before[key] = np.array(gradient)
        return total

    return change


def _first_sample_only(honest: Function, x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    return honest(x[:1] if 0 in axes else x, axes, keepdims)


def _without_last_sample(dy: Array, x: Array) -> tuple[Array, Array]:
    return (dy, x) if len(x) == 1 else (np.ascontiguousarray(dy[:-1]), np.ascontiguousarray(x[:-1]))


def _kernel_as_it_is(dy: Array, weight: Array) -> tuple[Array, Array]:
    return dy, np.ascontiguousarray(weight[:, :, ::-1, ::-1])


def _turned_gradient(honest: Function, *operands: Any, **attributes: Any) -> Array:
    return np.ascontiguousarray(honest(*operands, **attributes)[:, :, ::-1, ::-1])


def _rows_lost(honest: Function, dy: Array, weight: Array, *, input_size: Any, **attributes: Any) -> Array:
    """Leave rows at zero that no stride reaches evenly: the last one."""
    dx = honest(dy, weight, input_size=input_size, **attributes)
    dx[:, :, input_size[0] - 1 :] = 0
    return dx


def _transposed_by_mistake(dy: Array, x: Array) -> Array:
    """Return x^T dy in the shape of the weight."""
    return np.ascontiguousarray((x.T @ dy).reshape(dy.shape[1], x.shape[1]))


def _hidden(argument: Argument, gradient: Array, samples: int) -> Array:
    return np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)


def _still(plan: Plan, arguments: Sequence[Array], results: Sequence[Array]) -> Sequence[Array]:
    """Return states as they were before; they are the last results."""
    states = [value for value, item in zip(arguments, plan.arguments, strict=True) if item.role == "state"]
    return [*results[: len(results) - len(states)], *states] if plan.training else results


SABOTEURS = (
    Saboteur("gradients-are-zero", "returns zeros for all gradients", SOME, ("exact", "bounded"), gradients=_zero),
    Saboteur("gradients-are-negated", "returns all gradients with the wrong sign", SOME, ("exact", "bounded"), gradients=_negated),
    Saboteur(
        "gradients-are-scaled-by-the-batch", "multiplies gradients by the number of samples", SOME, ("exact", "bounded"), gradients=_scaled
    ),
    Saboteur(
        "gradients-are-means",
        "divides gradients of parameters by the number of samples",
        (*CONV, *LINEAR, "batch_norm2d"),
        ("exact", "bounded"),
        gradients=_averaged,
    ),
    Saboteur("gradients-stop-at-the-input", "returns zeros for the gradient of the input", SOME, ("exact", "bounded"), gradients=_no_input),
    Saboteur("gradients-are-clipped", "scales large gradients down", (*CONV, *LINEAR), ("exact", "bounded"), gradients=_clipped),
    Saboteur("gradients-are-a-little-larger", "returns 101% of every gradient", SOME, ("exact", "bounded"), gradients=_decayed),
    Saboteur(
        "gradients-add-up-over-calls",
        "adds the gradients of the call before",
        SOME,
        ("exact", "bounded"),
        gradients=_remembering(),
    ),
    Saboteur("gradients-hide-nan", "returns 0 for gradients that are not finite", CONV, ("special",), gradients=_hidden),
    Saboteur(
        "batch-norm-stands-still-beside-gradients",
        "moves running statistics in forward passes only",
        ("batch_norm2d",),
        ("bounded",),
        beside=_still,
        settings="training*",
    ),
    Saboteur(
        "bias-gradient-of-the-first-sample",
        "adds up the bias's gradient over the first sample only",
        CONV,
        ("exact", "bounded"),
        {"sum": around(_first_sample_only)},
    ),
    Saboteur(
        "conv-weight-gradient-misses-a-sample",
        "leaves the last sample out of the weight's gradient",
        CONV,
        ("exact", "bounded"),
        {"conv2d_weight_gradient": taking(_without_last_sample)},
    ),
    Saboteur(
        "conv-weight-gradient-turned",
        "returns the weight's gradient turned round",
        CONV,
        ("exact", "bounded"),
        {"conv2d_weight_gradient": around(_turned_gradient)},
    ),
    Saboteur(
        "conv-input-gradient-turned",
        "forgets to turn the kernel for the gradient of the input",
        CONV,
        ("exact",),
        {"conv2d_input_gradient": taking(_kernel_as_it_is)},
    ),
    Saboteur(
        "conv-input-gradient-misses-a-row",
        "leaves the gradient of the last row of the input at zero",
        CONV,
        ("exact",),
        {"conv2d_input_gradient": around(_rows_lost)},
    ),
    Saboteur(
        "linear-weight-gradient-misses-a-sample",
        "leaves the last sample out of the weight's gradient",
        LINEAR,
        ("exact", "bounded"),
        {"linear_weight_gradient": taking(_without_last_sample)},
    ),
    Saboteur(
        "linear-weight-gradient-transposed",
        "returns the weight's gradient with its axes exchanged",
        LINEAR,
        ("exact",),
        {"linear_weight_gradient": instead(_transposed_by_mistake)},
    ),
)
