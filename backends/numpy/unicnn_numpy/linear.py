"""The fully connected layer, and its gradients, with NumPy."""

from __future__ import annotations

from .buffers import Array, array_module, empty


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Return ``x`` (N, in) times ``weight`` (out, in) transposed, plus ``bias`` (out,)."""
    y = _one_sample(x, weight) if len(x) == 1 and weight.size <= _SMALL else _product(x, weight.T)
    if bias is not None:
        y += bias
    return y


# One product of a matrix and a vector wakes all threads of the BLAS, which costs more than a matrix of this size.
_SMALL = 1 << 19


def _one_sample(x: Array, weight: Array) -> Array:
    """Return the product for a single sample as dot products, which one thread computes."""
    xp = array_module(x)
    return xp.matmul(weight[:, None, :], x[0][:, None]).reshape(1, -1)


def linear_input_gradient(dy: Array, weight: Array) -> Array:
    """Return the gradient (N, in) of ``linear`` with respect to its input."""
    return _product(dy, weight)


def linear_weight_gradient(dy: Array, x: Array) -> Array:
    """Return the gradient (out, in) of ``linear`` with respect to its weight."""
    return _product(dy.T, x)


def _product(a: Array, b: Array) -> Array:
    xp = array_module(a)
    return xp.matmul(a, b, out=empty((a.shape[0], b.shape[1]), a.dtype, xp))
