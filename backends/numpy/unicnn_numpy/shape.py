"""Moving values with NumPy."""

from __future__ import annotations

from unicnn.ops.fields import Sides

from .buffers import Array, array_module


def flatten(x: Array) -> Array:
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return each sample in another shape."""
    return x.reshape(-1, *shape)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return the axes in another order."""
    return x.transpose(axes)


def pad(x: Array, *, padding: Sides, value: float) -> Array:
    """Return images with a border."""
    return array_module(x).pad(x, ((0, 0), (0, 0), *padding), constant_values=value)
