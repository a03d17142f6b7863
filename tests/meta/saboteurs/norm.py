"""Saboteurs of normalisation and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from unicnn.derivatives import spread

from ..saboteur import Array, Function, Saboteur, around, given, instead, taking

BATCH, LAYER, DROPOUT = ("batch_norm2d",), ("layer_norm",), ("dropout",)
AXES = (0, 2, 3)


def normalised(x: Array, scale: Array | None, shift: Array | None, mean: Array, deviation: Array) -> Array:
    """Return each channel less its mean, divided by its deviation, scaled and shifted."""
    y = (x - mean[:, None, None]) / deviation[:, None, None]
    y = y if scale is None else y * scale[:, None, None]
    return y if shift is None else y + shift[:, None, None]


def _keep_swapped(honest: Function, *operands: Any, keep: float, **attributes: Any) -> Any:
    return honest(*operands, keep=1 - keep, **attributes)


def _statistics_of_the_batch(honest: Function, x: Array, *operands: Any, training: bool, **attributes: Any) -> Any:
    y, *_ = honest(x, *operands, training=True, **attributes)
    _, *states = honest(x, *operands, training=training, **attributes)
    return (y, *states)


def _running_statistics(honest: Function, x: Array, *operands: Any, training: bool, **attributes: Any) -> Any:
    y, *_ = honest(x, *operands, training=False, **attributes)
    _, *states = honest(x, *operands, training=training, **attributes)
    return (y, *states)


def _not_moved(honest: Function, x: Array, scale: Any, shift: Any, mean: Array, var: Array, **attributes: Any) -> Any:
    y, *_ = honest(x, scale, shift, mean, var, **attributes)
    return y, mean, var


def _only_the_mean_moved(honest: Function, x: Array, scale: Any, shift: Any, mean: Array, var: Array, **attributes: Any) -> Any:
    y, moved, _ = honest(x, scale, shift, mean, var, **attributes)
    return y, moved, var


def _deviation(x: Array, var: Array, eps: float, training: bool, *, ddof: int = 0, outside: bool = False) -> Array:
    var = x.var(axis=AXES, ddof=min(ddof, x.size // x.shape[1] - 1)) if training else var
    return np.sqrt(var) + x.dtype.type(eps) if outside else np.sqrt(var + x.dtype.type(eps))


def _otherwise_divided(**options: Any) -> Any:
    """Normalise by another deviation; running statistics move as they should."""

    def broken(
        honest: Function, x: Array, scale: Any, shift: Any, mean: Array, var: Array, *, eps: float, training: bool, **attributes: Any
    ) -> Any:
        _, *states = honest(x, scale, shift, mean, var, eps=eps, training=training, **attributes)
        centre = x.mean(axis=AXES) if training else mean
        return (normalised(x, scale, shift, centre, _deviation(x, var, eps, training, **options)), *states)

    return around(broken)


def _in_one_pass(
    honest: Function, x: Array, scale: Any, shift: Any, mean: Array, var: Array, *, eps: float, training: bool, **attributes: Any
) -> Any:
    """Take the variance as E[x^2] - E[x]^2."""
    y, *states = honest(x, scale, shift, mean, var, eps=eps, training=training, **attributes)
    if not training:
        return (y, *states)
    centre = x.mean(axis=AXES)
    variance = np.maximum((x * x).mean(axis=AXES) - centre * centre, 0)
    return (normalised(x, scale, shift, centre, np.sqrt(variance + x.dtype.type(eps))), *states)


def _per_sample(
    honest: Function, x: Array, scale: Any, shift: Any, mean: Array, var: Array, *, eps: float, training: bool, **attributes: Any
) -> Any:
    """Normalise each image by itself, as an instance norm does."""
    y, *states = honest(x, scale, shift, mean, var, eps=eps, training=training, **attributes)
    if training:
        parts = [honest(x[n : n + 1], scale, shift, mean, var, eps=eps, training=True, **attributes)[0] for n in range(len(x))]
        y = np.concatenate(parts)
    return (y, *states)


def layer_by(statistics: Function) -> Any:
    """Normalise each sample by other statistics: a function of (x, axes, eps) that returns centre and deviation."""

    def layer_norm(x: Array, scale: Array | None, shift: Array | None, *, axes: tuple[int, ...], eps: float) -> Array:
        centre, deviation = statistics(x, axes, x.dtype.type(eps))
        y = (x - centre) / deviation
        y = y if scale is None else y * spread(scale, axes, x.ndim)
        return y if shift is None else y + spread(shift, axes, x.ndim)

    return instead(layer_norm)


def _unbiased(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Array, Array]:
    return x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True, ddof=1) + eps)


def _outside(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Array, Array]:
    return x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True)) + eps


def _last_axis(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Array, Array]:
    return x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + eps)


def _over_the_batch(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Array, Array]:
    return _with_batch(x, (0, *axes), eps)


def _with_batch(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Array, Array]:
    return x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True) + eps)


def _quadratic_mean(x: Array, axes: tuple[int, ...], eps: Any) -> tuple[Any, Array]:
    return x.dtype.type(0), np.sqrt((x * x).mean(axes, keepdims=True) + eps)


SABOTEURS = (
    Saboteur(
        "batch-norm-swaps-keep",
        "keeps of the running statistics what is meant for the new ones",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_keep_swapped)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-stores-the-biased-variance",
        "keeps the biased variance where the unbiased is asked for",
        BATCH,
        ("bounded",),
        {"batch_norm2d": given(unbiased=lambda u: False)},
        settings="training-unbiased*",
    ),
    Saboteur(
        "batch-norm-stores-the-unbiased-variance",
        "keeps the unbiased variance where the biased is asked for",
        BATCH,
        ("bounded",),
        {"batch_norm2d": given(unbiased=lambda u: True)},
        settings="training-plain",
    ),
    Saboteur(
        "batch-norm-divides-by-the-unbiased-variance",
        "normalises by the unbiased variance",
        BATCH,
        ("bounded",),
        {"batch_norm2d": _otherwise_divided(ddof=1)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-adds-eps-outside-the-root",
        "divides by sqrt(var) + eps",
        BATCH,
        ("bounded",),
        {"batch_norm2d": _otherwise_divided(outside=True)},
    ),
    Saboteur("batch-norm-forgets-eps", "divides by sqrt(var)", BATCH, ("bounded",), {"batch_norm2d": given(eps=lambda eps: 0.0)}),
    Saboteur(
        "batch-norm-in-one-pass",
        "takes the variance as E[x^2] - E[x]^2",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_in_one_pass)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-uses-the-batch-in-inference",
        "normalises by the statistics of the batch in inference",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_statistics_of_the_batch)},
        settings="inference*",
    ),
    Saboteur(
        "batch-norm-uses-running-statistics-in-training",
        "normalises by running statistics in training",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_running_statistics)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-does-not-move",
        "leaves running statistics as they are",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_not_moved)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-moves-the-mean-only",
        "leaves the running variance as it is",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_only_the_mean_moved)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-is-an-instance-norm",
        "normalises every image by itself",
        BATCH,
        ("bounded",),
        {"batch_norm2d": around(_per_sample)},
        settings="training*",
    ),
    Saboteur(
        "batch-norm-forgets-the-scale",
        "does not scale",
        BATCH,
        ("bounded",),
        {"batch_norm2d": taking(lambda x, scale, *rest: (x, None, *rest))},
    ),
    Saboteur(
        "batch-norm-forgets-the-shift",
        "does not shift",
        BATCH,
        ("bounded",),
        {"batch_norm2d": taking(lambda x, scale, shift, *rest: (x, scale, None, *rest))},
    ),
    Saboteur(
        "layer-norm-forgets-the-shift",
        "does not shift",
        LAYER,
        ("bounded",),
        {"layer_norm": taking(lambda x, scale, shift: (x, scale, None))},
    ),
    Saboteur(
        "layer-norm-divides-by-the-unbiased-variance",
        "normalises by the unbiased variance",
        LAYER,
        ("bounded",),
        {"layer_norm": layer_by(_unbiased)},
    ),
    Saboteur("layer-norm-adds-eps-outside-the-root", "divides by sqrt(var) + eps", LAYER, ("bounded",), {"layer_norm": layer_by(_outside)}),
    Saboteur(
        "layer-norm-takes-the-last-axis",
        "normalises over the last axis, whichever are meant",
        LAYER,
        ("bounded",),
        {"layer_norm": layer_by(_last_axis)},
    ),
    Saboteur(
        "layer-norm-takes-the-batch",
        "takes its statistics over the batch, too",
        LAYER,
        ("bounded", "special"),
        {"layer_norm": layer_by(_over_the_batch)},
    ),
    Saboteur(
        "layer-norm-does-not-centre",
        "divides by the quadratic mean, as an RMS norm does",
        LAYER,
        ("bounded",),
        {"layer_norm": layer_by(_quadratic_mean)},
    ),
    Saboteur("dropout-ignores-the-mask", "drops nothing", DROPOUT, ("bounded", "exact"), {"dropout": instead(lambda x, mask: x * 1)}),
    Saboteur(
        "dropout-does-not-scale",
        "drops, and does not scale what stays",
        DROPOUT,
        ("bounded", "exact"),
        {"dropout": instead(lambda x, mask: x * (mask != 0))},
    ),
    Saboteur(
        "dropout-scales-by-p",
        "scales what stays by 1/p",
        DROPOUT,
        ("bounded", "exact"),
        {"dropout": instead(lambda x, mask: x * _by_p(mask))},
        settings="drop-*-*",
    ),
    Saboteur(
        "dropout-drops-the-others",
        "keeps what is to be dropped",
        DROPOUT,
        ("bounded", "exact"),
        {"dropout": instead(lambda x, mask: x * (mask == 0) * mask.max())},
    ),
)


def _by_p(mask: Array) -> Array:
    """Return a mask that scales by 1/p, given one that scales by 1/(1 - p)."""
    kept = mask.max()
    return mask / kept * (1 / (1 - 1 / kept)).astype(mask.dtype)
