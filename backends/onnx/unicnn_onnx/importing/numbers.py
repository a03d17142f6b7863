"""Numbers of a graph: ONNX keeps attributes and constants in single precision, and what was meant is the number before that."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

_ROOTS = (math.sqrt(2), math.sqrt(0.5), math.sqrt(2 / math.pi))
_DIGITS = 6


def meant(value: float) -> float:
    """Return the number that was rounded to this single: 0.1, 1/6 or the square root of 2; the single itself if it is none of these.

    A number with at most six digits, a fraction of small integers and a root in a formula are not there by chance.
    """
    single = np.float32(value)
    if float(single) != value or not math.isfinite(value):
        return value  # it was kept in double precision
    short = np.format_float_scientific(single, trim="-")
    if sum(char.isdigit() for char in short.partition("e")[0]) <= _DIGITS:
        return float(short)
    fraction = Fraction(value).limit_denominator(255)
    candidates = [float(fraction), *(sign * root for root in _ROOTS for sign in (1, -1))]
    return next((number for number in candidates if np.float32(number) == single), value)


def array_of(tensor: onnx.TensorProto) -> np.ndarray[Any, Any]:
    """Return the array of a tensor; what lies in it as bytes of the machine's own order is only viewed."""
    kinds = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.DOUBLE: np.float64, onnx.TensorProto.INT64: np.int64}
    if tensor.HasField("raw_data") and tensor.data_type in kinds:
        dtype = np.dtype(kinds[tensor.data_type]).newbyteorder("<")
        return np.frombuffer(tensor.raw_data, dtype).reshape(tuple(tensor.dims))
    return numpy_helper.to_array(tensor)
