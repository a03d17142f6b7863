"""Layers that are read from their configuration, one function for each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras

from unicnn.errors import PortError
from unicnn_tensorflow.importing import own
from unicnn_tensorflow.importing.norms import kept_variance
from unicnn_tensorflow.importing.sides import cropped_sides
from unicnn_tensorflow.importing.trace import Visit

if TYPE_CHECKING:
    from unicnn_tensorflow.importing.walk import Walker

NO_PADDING = ((0, 0), (0, 0))
_DATA = {"channels_last": "NHWC", "channels_first": "NCHW"}


def put(walker: Walker, visit: Visit) -> None:
    """Put a layer on the tape; its activation function follows by itself."""
    handlers = own.OWN if own.known(visit.layer) else CONFIGURED
    cls = next((cls.__name__ for cls in type(visit.layer).__mro__ if cls.__name__ in handlers), None)
    if cls is not None:
        handlers[cls](walker, visit)


def _bias(walker: Walker, visit: Visit) -> str | None:
    layer = visit.layer
    if not layer.use_bias:
        return None
    # Keras takes an axis as long as the bias for the channels if it is the last one, also where channels come first.
    first = getattr(layer, "data_format", None) == "channels_first"
    if first and any(op.type == "BiasAdd" and op.get_attr("data_format") == b"NHWC" for op in walker.trace.made_in(visit)):
        raise PortError(
            f"{walker.scope_of(visit.outputs[0].op)[0]} ({type(layer).__name__}) adds its bias along the width of the image and not to its "
            f"channels: so does Keras with channels_first if an image is as wide as it has channels, here {layer.bias.shape[0]}. "
            'Use data_format="channels_last", use_bias=False, or another width.'
        )
    return walker.variable(layer.bias)


def _padding(layer: Any) -> Any:
    return "same" if layer.padding == "same" else NO_PADDING


def _geometry(layer: Any, kernel: str, groups: int) -> dict[str, Any]:
    return {
        "stride": tuple(layer.strides),
        "padding": _padding(layer),
        "dilation": tuple(layer.dilation_rate),
        "groups": groups,
        "data": _DATA[layer.data_format],
        "kernel": kernel,
    }


def _conv(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    operands = (visit.inputs[0], walker.variable(layer.kernel), _bias(walker, visit))
    walker.put_core(visit, "conv", operands, _geometry(layer, "HWIO", layer.groups))


def _depthwise(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    channels = visit.inputs[0].shape[-1 if layer.data_format == "channels_last" else 1]
    operands = (visit.inputs[0], walker.variable(layer.kernel), _bias(walker, visit))
    walker.put_core(visit, "conv", operands, _geometry(layer, "HWCM", channels))


def _separable(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    channels = visit.inputs[0].shape[-1 if layer.data_format == "channels_last" else 1]
    # What lies between is an input of the second convolution, for which CPUs always put channels last.
    second = next(op for op in reversed(walker.trace.made_in(visit)) if op.type == "Conv2D")
    between, first = second.inputs[0], layer.data_format == "channels_first" and second.get_attr("data_format") == b"NHWC"
    shape = tuple(between.shape)
    turned = (lambda values: values[between.name].transpose(0, 3, 1, 2)) if first else between
    sizes = tuple(shape[axis] for axis in (0, 3, 1, 2)) if first else shape
    depthwise = (visit.inputs[0], walker.variable(layer.depthwise_kernel), None)
    assert visit.core is not None
    name = walker.put(visit.core.op, "conv", depthwise, _geometry(layer, "HWCM", channels), result=turned, shape=sizes)
    pointwise = {**_geometry(layer, "HWIO", 1), "stride": (1, 1), "dilation": (1, 1), "padding": NO_PADDING}
    walker.put_core(visit, "conv", (name, walker.variable(layer.pointwise_kernel), _bias(walker, visit)), pointwise)


def _transposed(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    a = _geometry(layer, "HWOI", 1)
    rows = slice(1, 3) if a["data"] == "NHWC" else slice(2, 4)
    sizes = tuple(visit.inputs[0].shape)[rows], tuple(visit.outputs[0].shape)[rows]
    crop = cropped_sides(*sizes, layer.kernel_size, a["stride"], a["dilation"], a.pop("padding"))
    operands = (visit.inputs[0], walker.variable(layer.kernel), _bias(walker, visit))
    walker.put_core(visit, "conv_transpose", operands, {**a, "crop": crop})


def _dense(walker: Walker, visit: Visit) -> None:
    operands = (visit.inputs[0], walker.variable(visit.layer.kernel), _bias(walker, visit))
    walker.put_core(visit, "linear", operands, {"kernel": "IO"})


def _batch_norm(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    learns = any(op.type == "AssignVariableOp" for op in walker.trace.made_in(visit))
    if learns != walker.trace.training or layer.renorm:
        why = "renorm=True" if layer.renorm else "trainable=False" if not layer.trainable else f"training={learns}"
        walker.put_core(visit, f"BatchNormalization({why})", (visit.inputs[0],), {})
        return
    held = (layer.gamma if layer.scale else None, layer.beta if layer.center else None, layer.moving_mean, layer.moving_variance)
    operands = (visit.inputs[0], *(None if item is None else walker.variable(item) for item in held))
    axis = layer.axis % len(visit.inputs[0].shape)
    unbiased = type(layer) is not keras.layers.BatchNormalization and kept_variance(layer) == "unbiased"
    walker.put_core(visit, "batch_norm", operands, {"eps": layer.epsilon, "keep": layer.momentum, "unbiased": unbiased, "axis": axis})


def _merge(word: str) -> Callable[[Walker, Visit], None]:
    """Return the function for a layer that joins any number of values one by one."""

    def put_merge(walker: Walker, visit: Visit) -> None:
        walker.put_core(visit, word, visit.inputs, {})

    return put_merge


def _layer_norm(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    rank = len(visit.inputs[0].shape)
    axes = tuple(axis % rank for axis in (layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]))
    held = (layer.gamma if layer.scale else None, layer.beta if layer.center else None)
    operands = (visit.inputs[0], *(None if item is None else walker.variable(item) for item in held))
    walker.put_core(visit, "layer_norm", operands, {"eps": layer.epsilon, "axes": axes})


def _dropout(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    acts = any("Random" in op.type for op in walker.trace.made_in(visit))
    if layer.rate > 0 and acts != walker.trace.training:
        walker.put_core(visit, f"Dropout(training={acts})", (visit.inputs[0],), {})
    elif any(n not in (None, size) for n, size in zip(layer.noise_shape or (), visit.inputs[0].shape, strict=False)):
        walker.put_core(visit, "Dropout(noise_shape)" if acts else "identity", (visit.inputs[0],), {})
    else:
        walker.put_core(visit, "dropout", (visit.inputs[0],), {"p": float(layer.rate)})


def _pool(word: str) -> Callable[..., None]:
    def put_pool(walker: Walker, visit: Visit) -> None:
        layer = visit.layer
        attributes = {
            "kernel_size": tuple(layer.pool_size),
            "stride": tuple(layer.strides),
            "padding": _padding(layer),
            "ceil_mode": False,
            "data": _DATA[layer.data_format],
        }
        counted = {"count_include_pad": False} if word == "avg_pool" else {}
        walker.put_core(visit, word, (visit.inputs[0],), attributes | counted)

    return put_pool


def _adaptive(walker: Walker, visit: Visit) -> None:
    layer = visit.layer
    attributes = {"output_size": tuple(layer.output_size), "data": _DATA[layer.data_format]}
    walker.put_core(visit, "adaptive_avg_pool", (visit.inputs[0],), attributes)


def _elu(walker: Walker, visit: Visit) -> None:
    walker.put_core(visit, "elu", (visit.inputs[0],), {"alpha": float(visit.layer.alpha)})


CONFIGURED: Mapping[str, Callable[[Any, Visit], None]] = {
    "AdaptiveAveragePooling2D": _adaptive,
    "Add": _merge("add"),
    "AveragePooling2D": _pool("avg_pool"),
    "BatchNormalization": _batch_norm,
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _dropout,
    "ELU": _elu,
    "LayerNormalization": _layer_norm,
    "MaxPooling2D": _pool("max_pool"),
    "Multiply": _merge("mul"),
    "SeparableConv2D": _separable,
}
