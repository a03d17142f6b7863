"""Convolution, pooling and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unicnn_tensorflow.importing.meaning import meant
from unicnn_tensorflow.importing.sides import cropped_sides

NO_PADDING = ((0, 0), (0, 0))


def data_of(op: Any) -> str:
    return str(op.get_attr("data_format").decode())


def rows(op: Any, values: Any) -> Any:
    """Return the two numbers of four that belong to height and width."""
    first = 1 if data_of(op) == "NHWC" else 2
    return tuple(int(value) for value in values[first : first + 2])


def _padding(op: Any) -> Any:
    kind = op.get_attr("padding")
    if kind != b"EXPLICIT":
        return "same" if kind == b"SAME" else NO_PADDING
    first = 1 if data_of(op) == "NHWC" else 2
    pairs = np.reshape(op.get_attr("explicit_paddings"), (4, 2))[first : first + 2]
    return tuple((int(before), int(after)) for before, after in pairs)


def geometry(op: Any, kernel: str, groups: int) -> dict[str, Any]:
    return {
        "stride": rows(op, op.get_attr("strides")),
        "padding": _padding(op),
        "dilation": rows(op, op.get_attr("dilations")),
        "groups": groups,
        "data": data_of(op),
        "kernel": kernel,
    }


def _channels(op: Any, tensor: Any) -> int:
    return int(tensor.shape[3 if data_of(op) == "NHWC" else 1])


def _conv(walker: Any, op: Any) -> Any:
    x, kernel = op.inputs
    return walker.put(op, "conv", (x, kernel, None), geometry(op, "HWIO", _channels(op, x) // kernel.shape[2]))


def _depthwise(walker: Any, op: Any) -> Any:
    return walker.put(op, "conv", (*op.inputs, None), geometry(op, "HWCM", _channels(op, op.inputs[0])))


def _transposed(walker: Any, op: Any) -> Any:
    _, kernel, image = op.inputs
    a = geometry(op, "HWOI", 1)
    sizes = rows(op, image.shape), rows(op, op.outputs[0].shape)
    if _channels(op, op.outputs[0]) != kernel.shape[2]:
        return NotImplemented  # the adjoint of a convolution with groups
    crop = cropped_sides(*sizes, kernel.shape[:2], a["stride"], a["dilation"], a.pop("padding"))
    return walker.put(op, "conv_transpose", (image, kernel, None), {**a, "crop": crop})


def _bias(walker: Any, op: Any) -> Any:
    x, bias = op.inputs
    if data_of(op) != "NCHW":
        return walker.put(op, "add", op.inputs, {})
    shape = (int(bias.shape[0]), *[1] * (len(x.shape) - 2))
    step = walker.put(op, "reshape", (bias,), {}, shape=shape, result=lambda values: walker.value(values, bias).reshape(shape))
    return walker.put(op, "add", (x, step), {})


def _pool(word: str) -> Callable[[Any, Any], Any]:
    def put(walker: Any, op: Any) -> Any:
        attributes = {
            "kernel_size": rows(op, op.get_attr("ksize")),
            "stride": rows(op, op.get_attr("strides")),
            "padding": _padding(op),
            "ceil_mode": False,
            "data": data_of(op),
        }
        whole = np.prod(op.get_attr("ksize")) == np.prod(attributes["kernel_size"])
        if not whole or np.prod(op.get_attr("strides")) != np.prod(attributes["stride"]):
            return NotImplemented  # pools over channels
        counted = {"count_include_pad": False} if word == "avg_pool" else {}
        return walker.put(op, word, op.inputs[:1], attributes | counted)

    return put


def _fused_norm(walker: Any, op: Any) -> Any:
    # With is_training=False the running statistics normalise in training, too, which the word does not say.
    if op.get_attr("is_training") or walker.trace.training:
        return NotImplemented
    axis = 3 if data_of(op) == "NHWC" else 1
    # The operation does not say how its statistics move; in inference they do not.
    return walker.put(op, "batch_norm", op.inputs, {"eps": meant(op.get_attr("epsilon")), "keep": 1.0, "unbiased": True, "axis": axis})


HANDLERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "BiasAdd": _bias,
    "MaxPool": _pool("max_pool"),
    "AvgPool": _pool("avg_pool"),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _fused_norm),
}
