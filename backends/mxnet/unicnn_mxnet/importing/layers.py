"""Writing down operators with weights: convolutions, fully connected layers, normalisation; and dropout."""

from __future__ import annotations

import math

from unicnn.porting.tape import Operand
from unicnn_mxnet.importing.heard import Heard
from unicnn_mxnet.importing.page import Page, writes


def _image(heard: Heard) -> bool:
    return len(heard.sizes[0]) == 4


def _bias(heard: Heard, default: bool) -> Operand:
    return None if heard.flag("no_bias", default) or len(heard.operands) < 3 else heard.operands[2]


@writes("Convolution")
def convolution(heard: Heard, page: Page) -> None:
    layout = heard.get("layout") or "NCHW"
    if not _image(heard) or layout != "NCHW":  # on a CPU MXNet itself computes no convolution with channels last
        return page.foreign(f"of {len(heard.sizes[0])} axes, layout={layout}")
    top, left = heard.pair("pad", 0)
    page.last(
        "conv",
        heard.operands[0],
        heard.operands[1],
        _bias(heard, False),
        stride=heard.pair("stride", 1),
        padding=((top, top), (left, left)),
        dilation=heard.pair("dilate", 1),
        groups=int(heard.get("num_group", 1)),
        data="NCHW",
        kernel="OIHW",
    )
    return None


@writes("Deconvolution")
def deconvolution(heard: Heard, page: Page) -> None:
    if not _image(heard) or (heard.get("layout") or "NCHW") != "NCHW":
        return page.foreign("not of layout NCHW")
    stride, dilation = heard.pair("stride", 1), heard.pair("dilate", 1)
    kernel, sizes, made = heard.sizes[1][2:], heard.sizes[0][2:], heard.shapes[0][2:]
    # A target shape overrides padding and adj: whatever was asked for, the sizes tell how much is cut off, the odd pixel before.
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)]
    excess = [size - wanted for size, wanted in zip(whole, made, strict=True)]
    before = [-(-size // 2) for size in excess] if heard.get("target_shape") else list(heard.pair("pad", 0))
    page.last(
        "conv_transpose",
        heard.operands[0],
        heard.operands[1],
        _bias(heard, True),
        stride=stride,
        crop=tuple((first, size - first) for first, size in zip(before, excess, strict=True)),
        dilation=dilation,
        groups=int(heard.get("num_group", 1)),
        data="NCHW",
        kernel="IOHW",
    )
    return None


@writes("FullyConnected")
def fully_connected(heard: Heard, page: Page) -> None:
    x, shape = heard.operands[0], heard.sizes[0]
    if heard.flag("flatten", True) and len(shape) != 2:
        x = page.step("reshape", (x,), (shape[0], math.prod(shape[1:])), aside=True)
    page.last("linear", x, heard.operands[1], _bias(heard, False), kernel="OI")


@writes("dot", "_linalg_gemm2", "_npi_matmul")
def dot(heard: Heard, page: Page) -> None:
    turned = bool(heard.get("transpose_b", False))
    if heard.flag("transpose_a") or len(heard.sizes[1]) != 2 or len(heard.sizes[0]) < 2 or heard.number("alpha", 1.0) != 1.0:
        return page.foreign(f"of shapes {heard.sizes[0]} and {heard.sizes[1]}")
    page.last("linear", *heard.operands[:2], None, kernel="OI" if turned else "IO")
    return None


def _normalised(heard: Heard, page: Page) -> tuple[tuple[Operand, ...], dict[str, object]]:
    x, scale, shift, mean, var = heard.operands
    fixed = heard.flag("fix_gamma", True)  # then gamma counts as 1, whatever it holds
    attributes = {
        "eps": heard.number("eps", 1e-3),
        "keep": heard.number("momentum", 0.9),
        "unbiased": False,
        "axis": heard.axis("axis", 1),
    }
    return (x, None if fixed else scale, shift, mean, var), attributes


@writes("BatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(heard: Heard, page: Page) -> None:
    if heard.training and heard.flag("use_global_stats"):  # it keeps its statistics, which no description says
        return page.foreign("use_global_stats=True")
    operands, attributes = _normalised(heard, page)
    page.last("batch_norm", *operands, **attributes)
    return None


@writes("_contrib_BatchNormWithReLU")
def batch_norm_with_relu(heard: Heard, page: Page) -> None:
    operands, attributes = _normalised(heard, page)
    page.last("relu", page.step("batch_norm", operands, heard.shapes[0], **attributes))


@writes("LayerNorm")
def layer_norm(heard: Heard, page: Page) -> None:
    page.last("layer_norm", *heard.operands, eps=heard.number("eps", 1e-5), axes=(heard.axis("axis", -1),))


@writes("Dropout")
def dropout(heard: Heard, page: Page) -> None:
    if heard.get("mode", "training") != "training":
        raise page.refused("it drops values in inference, too (mode='always').", "Leave out the mode: then dropout acts in training only.")
    if heard.get("axes", ()):
        raise page.refused(
            "it drops whole axes at once (axes=...), which no description says.", "Leave out axes: then each value is dropped by itself."
        )
    page.last("dropout", heard.operands[0], p=heard.number("p", 0.5))
