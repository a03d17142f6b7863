"""Running a traced graph again, operation by operation, in float32 or float64.

TensorFlow infers the type of most operations from their inputs, so feeding doubles is enough. What has no kernel for doubles, for
groups or for channels first on a CPU is put together from what has; no value and no derivative changes by that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from unicnn_tensorflow.importing.meaning import meant

Tensor = Any
_FLOATS = (tf.float32, tf.float64)


def replay(fetches: Iterable[Any], given: Mapping[str, Tensor], dtype: Any) -> dict[str, Tensor]:
    """Return the values of graph tensors by name, from those `given`, and of everything that they are computed from."""
    values = dict(given)
    for operation in _order(fetches, values):
        results = execute(operation, [values[tensor.name] for tensor in operation.inputs], dtype)
        values.update(zip((tensor.name for tensor in operation.outputs), results, strict=True))
    return values


def _order(fetches: Iterable[Any], given: Mapping[str, Tensor]) -> list[Any]:
    """Return the operations needed, each after those whose results it takes."""
    order: dict[str, Any] = {}
    stack = [(tensor.op, False) for tensor in fetches if tensor.name not in given]
    while stack:
        operation, ready = stack.pop()
        if operation.name in order:
            continue
        if ready:
            order[operation.name] = operation
            continue
        stack.append((operation, True))
        stack.extend((tensor.op, False) for tensor in operation.inputs if tensor.name not in given and tensor.op.name not in order)
    return list(order.values())


def execute(operation: Any, inputs: list[Tensor], dtype: Any) -> list[Tensor]:
    """Return the results of one operation on other inputs than the graph's, floats being of type `dtype`."""
    special = _SPECIAL.get(operation.type)
    results = special(operation, inputs, dtype) if special else _raw(operation, inputs, _attributes(operation, dtype))
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _raw(operation: Any, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Any:
    names = _python_names(operation.type)
    arguments: dict[str, Any] = {names[key]: value for key, value in attributes.items()}
    place = 0
    for argument in operation.op_def.input_arg:
        counted = argument.number_attr or argument.type_list_attr
        if not counted:
            arguments[names[argument.name]] = inputs[place]
            place += 1
            continue
        size = operation.get_attr(counted)
        size = size if argument.number_attr else len(size)
        arguments[names[argument.name]] = list(inputs[place : place + size])
        place += size
    return getattr(tf.raw_ops, operation.type)(**arguments)


_names: dict[str, dict[str, str]] = {}


def _python_names(kind: str) -> dict[str, str]:
    """Return what Python calls the inputs and attributes of a kind of operation, by what its definition calls them."""
    if kind not in _names:
        definition = op_def_registry.get(kind)
        declared = [item.name for item in definition.input_arg] + [a.name for a in definition.attr if a.name not in _inferred(definition)]
        python = [name for name in inspect.signature(getattr(tf.raw_ops, kind)).parameters if name != "name"]
        renamed = zip((name for name in declared if name not in python), (name for name in python if name not in declared), strict=False)
        _names[kind] = {name: name for name in declared if name in python} | dict(renamed)
    return _names[kind]


def _inferred(definition: Any) -> set[str]:
    """Return the attributes that follow from the inputs."""
    return {name for item in definition.input_arg for name in (item.type_attr, item.number_attr, item.type_list_attr)}


def _attributes(operation: Any, dtype: Any) -> dict[str, Any]:
    """Return the attributes that do not follow from the inputs."""
    free = {attribute.name for attribute in operation.op_def.attr} - _inferred(operation.op_def)
    return {name: _typed(operation.get_attr(name), dtype) for name in free if not name.startswith("_")}


def _typed(value: Any, dtype: Any) -> Any:
    if isinstance(value, tf.DType):
        return dtype if value in _FLOATS else value
    return [_typed(item, dtype) for item in value] if isinstance(value, list) else value


def constant(operation: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """Return what a Const holds; a single number in float64 is the one that was meant."""
    value = tf.make_ndarray(operation.get_attr("value"))
    if value.dtype not in (np.float32, np.float64):
        return value
    if value.ndim == 0 and dtype == tf.float64:
        return np.asarray(meant(float(value)))
    return value.astype(dtype.as_numpy_dtype)


def _const(operation: Any, inputs: list[Tensor], dtype: Any) -> Tensor:
    return tf.constant(constant(operation, dtype))


def _leaky_relu(operation: Any, inputs: list[Tensor], dtype: Any) -> Tensor:
    slope = operation.get_attr("alpha")  # rounded to float32 by the graph, and by the kernel for doubles
    return tf.where(inputs[0] > 0, inputs[0], tf.constant(meant(slope) if dtype == tf.float64 else slope, dtype) * inputs[0])


def _fused_norm(operation: Any, inputs: list[Tensor], dtype: Any) -> list[Tensor]:
    x, scale, offset, mean, variance = inputs
    if operation.get_attr("is_training"):
        raise NotImplementedError("A fused batch normalisation in training mode is not replayed.")
    shape = [1, -1, 1, 1] if operation.get_attr("data_format") == b"NCHW" else [-1]
    scale, offset, mean, variance = (tf.reshape(item, shape) for item in (scale, offset, mean, variance))
    epsilon = tf.constant(meant(operation.get_attr("epsilon")), dtype)
    y = (x - mean) * tf.math.rsqrt(variance + epsilon) * scale + offset
    return [y, *inputs[3:5], *[y] * (len(operation.outputs) - 3)]  # the rest is what training keeps, which nobody reads


_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_PER_AXIS = ("strides", "dilations", "ksize")


def _in_channels_last(run: Callable[..., Tensor]) -> Callable[..., Any]:
    """Return how an operation on images is run in the order that CPUs know."""

    def special(operation: Any, inputs: list[Tensor], dtype: Any) -> Tensor:
        attributes = _attributes(operation, dtype)
        if attributes.get("data_format") != b"NCHW":
            return run(operation, inputs, attributes)
        attributes["data_format"] = "NHWC"
        attributes |= {key: [attributes[key][axis] for axis in _LAST] for key in _PER_AXIS if key in attributes}
        if attributes.get("explicit_paddings"):
            pairs = np.reshape(attributes["explicit_paddings"], (4, 2))
            attributes["explicit_paddings"] = [int(side) for axis in _LAST for side in pairs[axis]]
        if operation.type == "Conv2DBackpropInput":
            sizes, kernel, image = inputs
            turned = [tf.gather(sizes, _LAST), kernel, tf.transpose(image, _LAST)]
        else:
            turned = [tf.transpose(inputs[0], _LAST), *inputs[1:]]
        return tf.transpose(run(operation, turned, attributes), _FIRST)

    return special


def _conv(operation: Any, inputs: list[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    x, kernel = inputs
    groups = x.shape[-1] // kernel.shape[2]
    if groups == 1:
        return _raw(operation, inputs, attributes)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([_raw(operation, part, attributes) for part in parts], -1)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "Const": _const,
    "LeakyRelu": _leaky_relu,
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _fused_norm),
    "Conv2D": _in_channels_last(_conv),
    **dict.fromkeys(("Conv2DBackpropInput", "DepthwiseConv2dNative", "MaxPool", "AvgPool"), _in_channels_last(_raw)),
}
