"""What Flax's own layers are in the words of the tape, read from their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flax import nnx

from unicnn.errors import PortError
from unicnn.ops.conv import same_upper
from unicnn.ops.fields import NO_PADDING
from unicnn_jax.emitting.padding import transposed


@dataclass(frozen=True)
class Said:
    """Be a word of the tape, the variables that it takes besides the value, and whether the layer itself is run to know its values."""

    word: str
    variables: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    run: bool = True


def _pair(value: Any) -> tuple[int, int]:
    if value is None or isinstance(value, int):
        return (value or 1, value or 1)
    return int(value[0]), int(value[1])


def _sides(path: str, padding: Any) -> Any:
    """Return explicit padding as sides, or "same"."""
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise PortError(f'{path}: padding="{padding}" is nothing a description can say. Use "SAME", "VALID" or numbers.')
        return "same" if padding == "SAME" else NO_PADDING
    pads = (padding, padding) if isinstance(padding, int) else tuple(padding)
    vertical, horizontal = ((side, side) if isinstance(side, int) else (int(side[0]), int(side[1])) for side in pads)
    return vertical, horizontal


def _check_image(path: str, layer: Any, shape: tuple[int, ...]) -> None:
    if len(layer.kernel_size) != 2 or len(shape) != 4:
        raise PortError(
            f"{path} ({type(layer).__name__}) slides over {len(layer.kernel_size)} axes of a value of {len(shape)}, and a description knows "
            "images (batch, rows, columns, channels) only. Add the axes that are missing."
        )
    if layer.mask is not None:
        raise PortError(f"{path} ({type(layer).__name__}) masks its kernel. Multiply the kernel by the mask once, and leave the mask out.")


def _conv(path: str, layer: Any, x: Any) -> Said:
    _check_image(path, layer, x.shape)
    if _pair(layer.input_dilation) != (1, 1):
        raise PortError(f"{path} (Conv) spreads its input (input_dilation). Use nnx.ConvTranspose, which is that.")
    settings = {"stride": _pair(layer.strides), "padding": _sides(path, layer.padding), "dilation": _pair(layer.kernel_dilation)}
    attributes = {**settings, "groups": layer.feature_group_count, "data": "NHWC", "kernel": "HWIO"}
    return Said("conv", (layer.kernel, layer.bias), attributes)


def _conv_transpose(path: str, layer: Any, x: Any) -> Said:
    _check_image(path, layer, x.shape)
    stride, dilation = _pair(layer.strides), _pair(layer.kernel_dilation)
    if not layer.transpose_kernel:
        raise PortError(
            f"{path} (ConvTranspose) slides its kernel as it is, while a transposed convolution, as every other framework has it, turns it "
            "round. Write transpose_kernel=True, and turn the kernel: kernel[::-1, ::-1].swapaxes(2, 3)."
        )
    spread = [d * (k - 1) + 1 for d, k in zip(dilation, layer.kernel_size, strict=True)]
    pads: Any = layer.padding
    named = pads in ("SAME", "VALID")
    pads = tuple(transposed(pads, k, s) for k, s in zip(spread, stride, strict=True)) if named else _sides(path, pads)
    crop = tuple((k - 1 - before, k - 1 - after) for k, (before, after) in zip(spread, pads, strict=True))
    attributes = {"stride": stride, "crop": crop, "dilation": dilation, "groups": 1, "data": "NHWC", "kernel": "HWOI"}
    return Said("conv_transpose", (layer.kernel, layer.bias), attributes)


def _linear(path: str, layer: Any, x: Any) -> Said:
    return Said("linear", (layer.kernel, layer.bias), {"kernel": "IO"})


def _axes(given: Any, rank: int) -> tuple[int, ...]:
    return tuple(sorted(axis % rank for axis in ([given] if isinstance(given, int) else given)))


def _layer_norm(path: str, layer: Any, x: Any) -> Said:
    axes = _axes(layer.reduction_axes, x.ndim)
    learned = layer.scale is not None or layer.bias is not None
    if learned and _axes(layer.feature_axes, x.ndim) != axes:
        raise PortError(
            f"{path} (LayerNorm) learns a scale or a shift for other axes ({layer.feature_axes}) than it normalises ({layer.reduction_axes}). "
            "Let both be the same, or give a layer behind it the scale."
        )
    return Said("layer_norm", (layer.scale, layer.bias), {"eps": float(layer.epsilon), "axes": axes})


def _unknown(path: str, layer: Any, x: Any) -> Said:
    return Said(f"nnx.{type(layer).__name__}")


LAYERS: Mapping[type, Callable[[str, Any, Any], Said]] = {
    nnx.Conv: _conv,
    nnx.ConvTranspose: _conv_transpose,
    nnx.Linear: _linear,
    nnx.LayerNorm: _layer_norm,
    **dict.fromkeys((nnx.GroupNorm, nnx.RMSNorm, nnx.InstanceNorm, nnx.MultiHeadAttention, nnx.Embed), _unknown),
}
"""The layers that do the same in training."""


def batch_norm(path: str, layer: Any, x: Any, given: Any, *, training: bool, unbiased: bool) -> Said:
    """Return what a batch normalisation is; it must follow the mode of the network."""
    running = layer.use_running_average if given is None else given
    if bool(running) == training:
        which = "the running statistics in training" if running else "the statistics of the batch in inference"
        raise PortError(f"{path} (BatchNorm) takes {which}. Let it follow net.train() and net.eval(): leave use_running_average out.")
    axis = _axes(layer.axis, x.ndim)
    if len(axis) != 1 or layer.axis_name is not None:
        raise PortError(f"{path} (BatchNorm) normalises over several axes of features or devices. Give it one axis, and one device.")
    attributes = {"eps": float(layer.epsilon), "keep": float(layer.momentum), "unbiased": unbiased, "axis": axis[0]}
    return Said("batch_norm", (layer.scale, layer.bias, layer.mean, layer.var), attributes)


def dropout(path: str, layer: Any, given: Any, *, training: bool) -> Said:
    """Return what a dropout is; it must follow the mode of the network, and draw for every value by itself."""
    passive = bool(layer.deterministic if given is None else given)
    if not passive and not training:
        raise PortError(f"{path} (Dropout) drops in inference, too. Let it follow net.train() and net.eval(): leave deterministic out.")
    if passive and training:
        return Said("identity", run=False)
    if layer.broadcast_dims:
        return Said("nnx.Dropout with broadcast_dims", run=False)
    return Said("dropout", (), {"p": float(layer.rate)}, run=False)


__all__ = ["LAYERS", "Said", "batch_norm", "dropout", "same_upper"]
