"""The small classes that a written file brings along: known by their code, and then read as the one layer that each is."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import keras

from unicnn.errors import DescriptionError
from unicnn.ops import AvgPool2d
from unicnn.ops.base import Misfit
from unicnn_tensorflow.emitting.classes import source

if TYPE_CHECKING:
    from unicnn_tensorflow.importing.trace import Visit
    from unicnn_tensorflow.importing.walk import Walker

_GLOBALS: Mapping[str, Any] = {"keras": keras, "layers": keras.layers, "ops": keras.ops}
_TEXT = ("__doc__", "__firstlineno__", "__module__")
"""What a class holds that changes nothing of what it does."""


def known(layer: Any) -> bool:
    """Tell whether a layer's class is, line by line, one that is written into files; another of the same name is the user's own."""
    return type(layer).__name__ in OWN and _same_class(type(layer)) and "call" not in vars(layer)


@lru_cache(maxsize=64)
def _same_class(cls: Any) -> bool:
    mine = _compiled(cls.__name__)
    found, wanted = ({key: value for key, value in sorted(vars(item).items()) if key not in _TEXT} for item in (cls, mine))
    return cls.__bases__ == mine.__bases__ and found.keys() == wanted.keys() and all(map(_same, found.values(), wanted.values()))


@lru_cache(maxsize=8)
def _compiled(name: str) -> Any:
    # Python compiles calls of what a file imports in another way, so the imports stand in front as they do in files.
    scope = {"__name__": __name__}
    exec(compile(f"import keras\nfrom keras import layers, ops\n{source(name)}", name, "exec", dont_inherit=True), scope)
    return scope[name]


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, FunctionType) or not isinstance(other, FunctionType):
        return type(one) is type(other) and bool(one == other)
    settings = [(item.__defaults__, item.__kwdefaults__) for item in (one, other)]
    return settings[0] == settings[1] and _same_code(one.__code__, other.__code__) and _same_names(one)


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Tell whether two functions do the same, wherever they stand."""
    plain = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount", "co_flags")
    if any(getattr(one, key) != getattr(other, key) for key in plain) or len(one.co_consts) != len(other.co_consts):
        return False
    pairs = zip(one.co_consts, other.co_consts, strict=True)
    return all(_same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else type(a) is type(b) and a == b for a, b in pairs)


def _same_names(function: FunctionType) -> bool:
    """Tell whether the names that a function takes from its file mean what they mean in a file that was written."""
    return all(function.__globals__.get(name) is _GLOBALS.get(name) for name in _global_names(function.__code__))


def _global_names(code: CodeType) -> Iterator[str]:
    yield from (str(line.argval) for line in dis.get_instructions(code) if line.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)


def _conv_transpose(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    bias = walker.variable(layer.bias) if layer.use_bias else None
    dilation = layer.dilation_rate if isinstance(layer.dilation_rate, (tuple, list)) else (layer.dilation_rate,) * 2
    crop = [
        (d * (k - 1) - before, d * (k - 1) - (s - 1) - after)
        for k, s, d, (before, after) in zip(layer.kernel_size, layer.strides, dilation, layer.padding, strict=True)
    ]
    attributes = {
        "stride": tuple(layer.strides), "crop": tuple(crop), "dilation": tuple(dilation), "groups": layer.groups, "data": "NHWC",
        "kernel": "HWOI",
    }  # fmt: skip
    walker.put_core(visit, "conv_transpose", (visit.inputs[0], walker.variable(layer.kernel), bias), attributes)


def _average(walker: Walker, visit: Visit) -> None:
    """Put an average on the tape in whose windows a part of the padding counts: all of it, none, or all but what ceil mode adds."""
    layer = visit.layer
    padding, counted = (tuple(tuple(pair) for pair in sides) for sides in (layer.padding, layer.counted))
    size, stride = (value if isinstance(value, (tuple, list)) else (value,) * 2 for value in (layer.pool_size, layer.strides))
    shape = tuple(visit.inputs[0].shape)
    given: dict[str, Any] = {"kernel_size": tuple(size), "stride": tuple(stride)}
    for sides, ceil_mode, includes in ((padding, False, False), (padding, False, True), (counted, True, True)):
        attributes = {**given, "padding": sides, "ceil_mode": ceil_mode, "count_include_pad": includes}
        try:
            found = AvgPool2d(**attributes).attributes((shape[3], shape[1], shape[2]))
        except (DescriptionError, Misfit):
            continue
        if (found["padding"], found["counted"]) == (padding, counted):
            walker.put_core(visit, "avg_pool", (visit.inputs[0],), {**attributes, "data": "NHWC"})
            return
    walker.put_core(visit, f"{type(layer).__name__}(padding={padding}, counted={counted})", (visit.inputs[0],), {})


def _adaptive(walker: Walker, visit: Visit) -> None:
    attributes = {"output_size": tuple(visit.layer.output_size), "data": "NHWC"}
    walker.put_core(visit, "adaptive_avg_pool", (visit.inputs[0],), attributes)


def _hard_sigmoid(walker: Walker, visit: Visit) -> None:
    attributes = {"slope": float(visit.layer.slope), "offset": float(visit.layer.offset)}
    walker.put_core(visit, "hardsigmoid", (visit.inputs[0],), attributes)


OWN: Mapping[str, Callable[[Any, Visit], None]] = {
    "AdaptivePooling2D": _adaptive,
    "BorderedAveragePooling2D": _average,
    "GeneralConv2DTranspose": _conv_transpose,
    "HardSigmoid": _hard_sigmoid,
}
