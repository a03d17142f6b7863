"""Writing down pooling and reductions."""

from __future__ import annotations

from unicnn_mxnet.importing.heard import Heard
from unicnn_mxnet.importing.page import Page, writes


@writes("Pooling")
def pooling(heard: Heard, page: Page) -> None:
    kind, layout = heard.get("pool_type", "max"), heard.get("layout") or "NCHW"
    if len(heard.sizes[0]) != 4 or kind not in ("max", "avg") or layout not in ("NCHW", "NHWC"):
        return page.foreign(f"of {len(heard.sizes[0])} axes, pool_type={kind}")
    if heard.flag("global_pool"):
        if kind == "avg":
            page.last("adaptive_avg_pool", heard.operands[0], output_size=(1, 1), data=layout)
        else:
            page.last("max", heard.operands[0], axes=(2, 3) if layout == "NCHW" else (1, 2), keepdims=True)
        return None
    top, left = heard.pair("pad", 0)
    ceil = heard.get("pooling_convention", "valid") == "full"
    attributes = {
        "kernel_size": heard.pair("kernel", 1),
        "stride": heard.pair("stride", 1),  # also where the window is larger: in mx.nd the default is 1
        "padding": ((top, top), (left, left)),
        "ceil_mode": ceil,
        "data": layout,
    }
    if ceil:
        _check_last_windows(heard, page, layout)
    if kind == "avg":
        attributes["count_include_pad"] = heard.flag("count_include_pad", True)
    page.last(f"{kind}_pool", heard.operands[0], **attributes)
    return None


def _check_last_windows(heard: Heard, page: Page, layout: str) -> None:
    """Refuse a last window that starts inside the padding: MXNet keeps it, all others and descriptions drop it."""
    axes = (2, 3) if layout == "NCHW" else (1, 2)
    for axis, stride, pad in zip(axes, heard.pair("stride", 1), heard.pair("pad", 0), strict=True):
        n, made = heard.sizes[0][axis], heard.shapes[0][axis]
        if (made - 1) * stride >= n + pad:
            raise page.refused(
                f"with pooling_convention='full' (ceil_mode=True), its last window along an axis of {n} starts inside the padding after it; "
                "MXNet keeps such a window, and every other framework drops it.",
                "Choose sizes, a stride or a padding with which no window starts there, or ceil_mode=False.",
            )


@writes("_contrib_AdaptiveAvgPooling2D")
def adaptive_pooling(heard: Heard, page: Page) -> None:
    page.last("adaptive_avg_pool", heard.operands[0], output_size=heard.pair("output_size", 1), data="NCHW")


def axes_of(heard: Heard) -> tuple[int, ...]:
    """Return the axes that a reduction removes."""
    rank, given = len(heard.sizes[0]), heard.get("axis")
    if given is None or given == ():
        return tuple(range(rank))
    axes = {axis % rank for axis in ((given,) if isinstance(given, int) else given)}
    return tuple(axis for axis in range(rank) if (axis in axes) != heard.flag("exclude"))


def _left(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape) if keepdims or axis not in axes)


def _reduce(heard: Heard, page: Page, word: str, x: str, *, finish: str | None = None) -> None:
    """Reduce along the axes; MXNet has no shape () and makes it (1,)."""
    axes, keepdims = axes_of(heard), heard.flag("keepdims")
    shape = _left(heard.sizes[0], axes, keepdims)
    if shape == heard.shapes[0] and finish is None:
        page.last(word, x, axes=axes, keepdims=keepdims)
        return
    value = page.step(word, (x,), shape, axes=axes, keepdims=keepdims)
    if finish is not None and shape == heard.shapes[0]:
        page.last(finish, value)
        return
    value = value if finish is None else page.step(finish, (value,), shape)
    page.last("reshape", value)


@writes("mean", "sum", "max")
def reduction(heard: Heard, page: Page) -> None:
    _reduce(heard, page, heard.op, heard.operands[0])


@writes("min")
def minimum(heard: Heard, page: Page) -> None:
    _reduce(heard, page, "max", page.step("neg", heard.operands, heard.sizes[0]), finish="neg")


@writes("norm")
def norm(heard: Heard, page: Page) -> None:
    if int(heard.get("ord", 2)) != 2:
        return page.foreign(f"ord={heard.get('ord')}")
    return _reduce(heard, page, "sum", page.step("square", heard.operands[:1], heard.sizes[0]), finish="sqrt")


@writes("L2Normalization")
def l2_normalization(heard: Heard, page: Page) -> None:
    x, shape, mode = heard.operands[0], heard.sizes[0], heard.get("mode", "instance")
    first, end = {"instance": (1, len(shape)), "channel": (1, 2), "spatial": (2, len(shape))}[mode]
    axes = tuple(range(first, end))
    small = _left(shape, axes, True)
    total = page.step("sum", (page.step("square", (x,), shape),), small, axes=axes, keepdims=True)
    root = page.step("sqrt", (page.step("add", (total, heard.number("eps", 1e-10)), small),), small)
    page.last("div", x, root)
