"""Normalisation and dropout with MXNet."""

from __future__ import annotations

from unicnn_mxnet.symbols import Tensor, namespace, shape


def batch_norm2d(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    op = namespace(x)
    scale = op.ones_like(mean) if scale is None else scale
    shift = op.zeros_like(mean) if shift is None else shift
    # MXNet itself moves `mean` and `var` in the backward pass; with a momentum of 1 that leaves them as they are.
    # In training this takes the batch's statistics only where MXNet's train mode is on, which is the runtime's to see to.
    y, batch_mean, inverse = op.BatchNorm(
        x, scale, shift, mean, var, eps=eps, momentum=1.0, fix_gamma=False, use_global_stats=not training, output_mean_var=True
    )
    if not training:
        return y, mean, var
    batch_mean, inverse = op.BlockGrad(batch_mean), op.BlockGrad(inverse)
    # What MXNet calls the variance is 1/sqrt(var + eps); rounding can bring a variance of zero below it.
    batch_var = op.relu(1 / op.square(inverse) - eps)
    if unbiased:
        count = op.sum(op.ones_like(op.slice_axis(x, axis=1, begin=0, end=1)))
        batch_var = op.broadcast_mul(batch_var, count / (count - 1))
    return y, keep * mean + (1 - keep) * batch_mean, keep * var + (1 - keep) * batch_var


def layer_norm(x: Tensor, scale: Tensor | None, shift: Tensor | None, *, axes: tuple[int, ...], eps: float) -> Tensor:
    # LayerNorm itself takes one axis, and keeps eps as float32.
    op = namespace(x)
    sizes = tuple(-1 if axis == axes[0] else size if axis in axes else 1 for axis, size in enumerate(shape(x)))
    centred = op.broadcast_sub(x, op.mean(x, axis=axes, keepdims=True))
    deviation = op.sqrt(op.mean(op.square(centred), axis=axes, keepdims=True) + eps)
    y = op.broadcast_div(centred, deviation)
    if scale is not None:
        y = op.broadcast_mul(y, op.reshape(scale, shape=sizes))
    return y if shift is None else op.broadcast_add(y, op.reshape(shift, shape=sizes))


def dropout(x: Tensor, mask: Tensor) -> Tensor:
    return namespace(x).elemwise_mul(x, mask)
