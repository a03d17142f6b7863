"""What each layer of an emitted NumPy file is in the words of the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unicnn.errors import PortError

Word = tuple[str, tuple[str, ...], dict[str, Any]]
PLAIN = {
    "ReLU": "relu", "ReLU6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "SiLU": "silu", "Hardswish": "hardswish",
    "Identity": "identity", "Flatten": "reshape", "Reshape": "reshape", "Add": "add", "Mul": "mul",
}  # fmt: skip


def word(layer: Any, shapes: Sequence[tuple[int, ...]]) -> Word:
    """Return the word of a layer, the roles of the parameters that it takes, and its attributes."""
    name = type(layer).__name__
    if name in PLAIN:
        return PLAIN[name], (), {}
    if name not in RULES:
        raise PortError(f"{name} is no layer of the files that unicnn writes. Give its network in another framework, or as a description.")
    op, roles, attributes = RULES[name]
    return op, roles, dict(attributes(layer, shapes))


def _conv(layer: Any, _: Any) -> Mapping[str, Any]:
    border = {"crop": _signed(layer)} if hasattr(layer, "crop") else {"padding": layer.padding}
    return {
        "stride": layer.stride,
        "dilation": layer.dilation,
        "groups": getattr(layer, "groups", 1),
        "data": "NCHW",
        "kernel": "IOHW" if hasattr(layer, "crop") else "OIHW",
        **border,
    }


def _signed(layer: Any) -> tuple[tuple[int, int], ...]:
    return tuple((a - c, b - d) for (a, b), (c, d) in zip(layer.crop, layer.extra, strict=True))


def _max_pool(layer: Any, _: Any) -> Mapping[str, Any]:
    return {"kernel_size": layer.size, "stride": layer.stride, "padding": layer.padding, "ceil_mode": False, "data": "NCHW"}


def _avg_pool(layer: Any, shapes: Sequence[tuple[int, ...]]) -> Mapping[str, Any]:
    """Return the pooling whose normal form has this padding and counts this border: with ceil mode where the padding reaches beyond."""
    plain = ((0, 0), (0, 0))
    padding, counted = getattr(layer, "padding", plain), getattr(layer, "counted", plain)
    counts = counted != plain or padding == plain
    asked = counted if counts else padding
    ceil = counts and padding != counted
    return {
        "kernel_size": layer.size, "stride": layer.stride, "padding": asked, "ceil_mode": ceil, "count_include_pad": counts, "data": "NCHW",
    }  # fmt: skip


def _norm(layer: Any, _: Any) -> Mapping[str, Any]:
    return {"eps": layer.eps, "keep": layer.keep, "unbiased": layer.unbiased, "axis": 1}


RULES: Mapping[str, tuple[str, tuple[str, ...], Callable[[Any, Sequence[tuple[int, ...]]], Mapping[str, Any]]]] = {
    "Conv2d": ("conv", ("weight", "bias"), _conv),
    "GroupedConv2d": ("conv", ("weight", "bias"), _conv),
    "ConvTranspose2d": ("conv_transpose", ("weight", "bias"), _conv),
    "GroupedConvTranspose2d": ("conv_transpose", ("weight", "bias"), _conv),
    "Linear": ("linear", ("weight", "bias"), lambda layer, _: {"kernel": "OI"}),
    "BatchNorm2d": ("batch_norm", ("scale", "shift", "mean", "var"), _norm),
    "LayerNorm": ("layer_norm", ("scale", "shift"), lambda layer, _: {"eps": layer.eps, "axes": layer.axes}),
    "Dropout": ("dropout", (), lambda layer, _: {"p": layer.p}),
    "MaxPool2d": ("max_pool", (), _max_pool),
    "AvgPool2d": ("avg_pool", (), _avg_pool),
    "PaddedAvgPool2d": ("avg_pool", (), _avg_pool),
    "GlobalAvgPool2d": ("adaptive_avg_pool", (), lambda layer, _: {"output_size": (1, 1), "data": "NCHW"}),
    "AdaptiveAvgPool2d": ("adaptive_avg_pool", (), lambda layer, _: {"output_size": layer.size, "data": "NCHW"}),
    "LeakyReLU": ("leaky_relu", (), lambda layer, _: {"negative_slope": layer.slope}),
    "ELU": ("elu", (), lambda layer, _: {"alpha": layer.alpha}),
    "GELU": ("gelu", (), lambda layer, _: {"approximate": "none"}),
    "TanhGELU": ("gelu", (), lambda layer, _: {"approximate": "tanh"}),
    "Hardsigmoid": ("hardsigmoid", (), lambda layer, _: {"slope": layer.slope, "offset": layer.offset}),
    "Softmax": ("softmax", (), lambda layer, _: {"axis": layer.axis}),
    "LogSoftmax": ("log_softmax", (), lambda layer, _: {"axis": layer.axis}),
    "Transpose": ("transpose", (), lambda layer, _: {"axes": layer.axes}),
    "Concat": ("concat", (), lambda layer, _: {"axis": layer.axis}),
    "Pad": ("pad", (), lambda layer, shapes: {"widths": ((0, 0), (0, 0), *layer.padding), "value": layer.value}),
}
