"""The primitives of identical numerics with MXNet; unicnn.numerics.identical.primitives says what each of them is.

They take arrays only: symbols do not know their shapes. On a CPU NumPy computes them where the values lie, elsewhere operators do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from unicnn_mxnet import operators, passes
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import near

Tensor = mx.nd.NDArray


def _where_it_lies(name: str) -> Callable[..., Any]:
    here, there = getattr(passes, name), getattr(operators, name)

    @wraps(there, assigned=("__name__", "__doc__"))
    def primitive(x: Tensor, *rest: Any, **options: Any) -> Any:
        return (here if near(x) else there)(x, *rest, **options)

    return primitive


widen = _where_it_lies("widen")
narrow = _where_it_lies("narrow")
snap = _where_it_lies("snap")
square_sum = _where_it_lies("square_sum")
where = _where_it_lies("where")
minimum = _where_it_lies("minimum")
maximum = _where_it_lies("maximum")
absolute = _where_it_lies("absolute")
rint = _where_it_lies("rint")
sqrt = _where_it_lies("sqrt")
power = _where_it_lies("power")
exponent = _where_it_lies("exponent")
sum = _where_it_lies("sum")
amax = _where_it_lies("amax")
largest = _where_it_lies("largest")
reshape = _where_it_lies("reshape")
transpose = _where_it_lies("transpose")
part = _where_it_lies("part")
per_channel = _where_it_lies("per_channel")


def shape(x: Tensor) -> tuple[int, ...]:
    return x.shape


def one_hot(labels: Tensor, classes: int) -> Tensor:
    return mx.nd.one_hot(labels, classes, dtype="float32")


def pack(x: Tensor, kind: str) -> Tensor:
    return x


def unpack(x: Tensor, kind: str) -> Tensor:
    return x
