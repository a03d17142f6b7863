"""Arrays whose arithmetic with Python numbers is that of the numbers themselves, and which NumPy can share.

MXNet hands a number to an operator as decimal text, and what it reads back is off by a unit in the last place for one number in
ten, 2^-24 and 2^-126 among them. Here a number becomes an array of one value.

On a CPU, an array of MXNet's is plain memory. There an operator costs 15 to 40 us beside the arithmetic and fresh memory for its result, and NumPy's
functions cost 1; so arithmetic is NumPy's, and what it returns becomes an array of MXNet's, in the same memory, where an operator asks for one.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from unicnn_mxnet import memory
from unicnn_mxnet.compat import mx
from unicnn_mxnet.memory import Array
from unicnn_mxnet.pieces import Key, each

Tensor: TypeAlias = "mx.nd.NDArray"
Recipe: TypeAlias = Callable[[Key, Array | None], Array]
"""Makes a part, in given memory or its own."""
Pair: TypeAlias = tuple[Callable[..., Array], Callable[..., Tensor]]

_CPU = 1
_ADD: Pair = np.add, mx.nd.broadcast_add
_SUBTRACT: Pair = np.subtract, mx.nd.broadcast_sub
_MULTIPLY: Pair = np.multiply, mx.nd.broadcast_mul
_DIVIDE: Pair = np.divide, mx.nd.broadcast_div
_NEGATE: Pair = np.negative, mx.nd.negative
_LESS: Pair = np.less, mx.nd.broadcast_lesser
_LESS_EQUAL: Pair = np.less_equal, mx.nd.broadcast_lesser_equal
_GREATER: Pair = np.greater, mx.nd.broadcast_greater
_GREATER_EQUAL: Pair = np.greater_equal, mx.nd.broadcast_greater_equal


class Exact(mx.nd.NDArray):
    """Be an array that takes numbers as they are; what comes of its arithmetic is one, too.

    It has a handle of its own, or that of `origin`, or an `extent`. Then it lies in an array of NumPy's, `values`, or is made of a `recipe` when
    somebody asks for these; and a handle is made when an operator asks for one.
    """

    __slots__ = ("extent", "made", "origin", "peaks", "recipe")

    def __init__(self, handle: Any = None, writable: bool = True) -> None:
        self.extent: tuple[int, ...] | None = None
        self.made: Array | None = None
        self.recipe: Recipe | None = None
        self.origin: Tensor | None = None
        self.peaks: Array | None = None
        self.writable = writable
        if handle is not None:
            self.handle = handle

    def __del__(self) -> None:
        if self.origin is None and self.extent is None:
            super().__del__()

    def __getattr__(self, name: str) -> Any:
        if name != "handle":
            raise AttributeError(name)
        values = self.values.astype(np.float32) if self.values.dtype == np.bool_ else np.ascontiguousarray(self.values)
        self.origin = mx.nd.from_numpy(values.view())  # of the view MXNet makes one that nobody may write to
        self.handle = self.origin.handle
        return self.handle

    @property
    def values(self) -> Array:
        """Return the values of an array that has an extent, made whole if they were not."""
        if self.made is None:
            assert self.extent is not None
            assert self.recipe is not None
            made, recipe = memory.empty(self.extent, np.float64), self.recipe
            each(self.extent, lambda key: recipe(key, made[key]))
            self.made = made
        return self.made

    @property
    def postponed(self) -> bool:
        """Tell whether there are no values yet."""
        return self.made is None and self.recipe is not None

    @property
    def shape(self) -> tuple[int, ...]:
        return super().shape if self.extent is None else self.extent

    @property
    def dtype(self) -> Any:
        if self.extent is None:
            return super().dtype
        return np.float64 if self.made is None else self.made.dtype.type

    @property
    def size(self) -> int:
        return super().size if self.extent is None else math.prod(self.extent)

    @property
    def ndim(self) -> int:
        return super().ndim if self.extent is None else len(self.extent)

    @property
    def context(self) -> mx.Context:
        return super().context if self.extent is None else _processor()

    def asnumpy(self) -> Array:
        return super().asnumpy() if self.extent is None else np.array(lent(self), order="C")

    def _apply(self, pair: Pair, other: Any = None, *, swapped: bool = False) -> Exact:
        on_processor, operator = pair
        if near(self):
            operands = [lent(self)] if other is None else [lent(self), lent(other) if isinstance(other, mx.nd.NDArray) else other]
            return computed(on_processor, *(operands[::-1] if swapped else operands))
        if other is None:
            return exactly(operator(self))
        second = operand(other, self)
        return exactly(operator(second, self) if swapped else operator(self, second))

    def __add__(self, other: Any) -> Exact:
        return self._apply(_ADD, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Exact:
        if self.postponed and isinstance(other, Exact) and other.postponed and other.extent == self.extent:
            first, second = self.recipe, other.recipe
            return later(self.shape, lambda key, out: np.subtract(first(key, out), second(key, None), out=out))
        return self._apply(_SUBTRACT, other)

    def __rsub__(self, other: Any) -> Exact:
        return self._apply(_SUBTRACT, other, swapped=True)

    def __mul__(self, other: Any) -> Exact:
        return self._apply(_MULTIPLY, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Exact:
        return self._apply(_DIVIDE, other)

    def __rtruediv__(self, other: Any) -> Exact:
        return self._apply(_DIVIDE, other, swapped=True)

    def __neg__(self) -> Exact:
        return self._apply(_NEGATE)

    def __lt__(self, other: Any) -> Exact:
        return self._apply(_LESS, other)

    def __le__(self, other: Any) -> Exact:
        return self._apply(_LESS_EQUAL, other)

    def __gt__(self, other: Any) -> Exact:
        return self._apply(_GREATER, other)

    def __ge__(self, other: Any) -> Exact:
        return self._apply(_GREATER_EQUAL, other)


def exactly(x: Tensor) -> Exact:
    """Return the same array as one that takes numbers as they are."""
    if isinstance(x, Exact):
        return x
    exact = Exact(x.handle, x.writable)
    exact.origin = x
    return exact


def of(values: Array) -> Exact:
    """Return an array of NumPy's as one of MXNet's, in the same memory."""
    exact = Exact()
    exact.made, exact.extent = values, values.shape
    return exact


def later(shape: tuple[int, ...], recipe: Recipe) -> Exact:
    """Return an array of float64 that is made when it is read: any part of it, if only that is read, and then anew each time.

    A large array that is read once, or twice, piece by piece costs more to be written down and fetched again than to be computed.
    """
    exact = Exact()
    exact.recipe, exact.extent = recipe, shape
    return exact


def piece(x: Tensor, key: Key) -> Array:
    """Return a part of the values of `x` to read."""
    return x.recipe(key, None) if isinstance(x, Exact) and x.postponed else lent(x)[key]


def near(x: Tensor) -> bool:
    """Tell whether an array lies in memory that NumPy reaches."""
    return (isinstance(x, Exact) and x.extent is not None) or x.context.device_typeid == _CPU


def computed(function: Callable[..., Array], *operands: Any) -> Exact:
    """Return what an elementwise function of NumPy makes of arrays and numbers, in recycled memory."""
    arrays = [value for value in operands if isinstance(value, np.ndarray)]
    shape = arrays[0].shape if len(arrays) == 1 else np.broadcast_shapes(*(value.shape for value in arrays))
    if arrays[0].size < _SMALL and len(arrays) == 1:
        return of(function(*operands))
    dtype = np.bool_ if function in _COMPARISONS else arrays[0].dtype
    return of(function(*operands, out=memory.empty(shape, dtype)))


_SMALL = 1 << 12
_COMPARISONS = {pair[0] for pair in (_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL)}


class _Lent:
    """Be what NumPy asks for the memory of an array, and keep the array."""

    def __init__(self, x: Tensor) -> None:
        # In this order: an operator that has not run yet may leave its result in blocks, and to ask for its memory puts those in order.
        x.wait_to_read()
        self.x, place = x, ctypes.c_void_p()
        mx.base.check_call(mx.base._LIB.MXNDArrayGetData(x.handle, ctypes.byref(place)))
        data = (place.value or 0, True)
        self.__array_interface__ = {"version": 3, "shape": x.shape, "typestr": np.dtype(x.dtype).str, "data": data}


def lent(x: Tensor) -> Array:
    """Return the values of `x` to read, in the memory where they lie if NumPy reaches it; oneDNN's blocks are put in order first."""
    if isinstance(x, Exact) and x.extent is not None:
        if x.origin is not None:  # what an operator was to write, perhaps
            x.origin.wait_to_read()
        return x.values
    if x.context.device_typeid != _CPU or not x.size:
        return x.asnumpy()
    return np.asarray(_Lent(x))


def shared(x: Any) -> bool:
    """Tell whether `x` is an array of identical numerics that NumPy can share; not while MXNet records what its operators do."""
    return isinstance(x, Exact) and near(x) and not mx.autograd.is_recording()


def empty(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an array like `x`, not initialised, of a shape: in recycled memory if `x` is shared."""
    return of(memory.empty(shape, x.dtype)) if shared(x) else mx.nd.empty(shape, x.context, x.dtype)


def fresh(x: Any, shape: tuple[int, ...] | None = None) -> dict[str, Exact]:
    """Return recycled memory as what an operator is to write a result like `x` into; nothing if `x` is not shared."""
    return {"out": of(memory.empty(x.shape if shape is None else shape, x.dtype))} if shared(x) else {}


def operand(value: Any, like: Tensor) -> Tensor:
    """Return an array as it is, and a number as an array of one value of the dtype of `like`."""
    return value if isinstance(value, mx.nd.NDArray) else _number(float(value), like.context, np.dtype(like.dtype).name)


@lru_cache(maxsize=1024)
def _number(value: float, context: mx.Context, dtype: str) -> Tensor:
    tensor = mx.nd.empty((1,), context, dtype)
    tensor._sync_copyfrom(np.array([value], dtype))
    return tensor


@lru_cache(maxsize=1)
def _processor() -> mx.Context:
    return mx.cpu()
