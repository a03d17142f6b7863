"""Writing down what moves values without changing them."""

from __future__ import annotations

from unicnn_mxnet.importing.heard import Heard, Shape
from unicnn_mxnet.importing.page import Page, writes


@writes("Reshape", "Flatten", "expand_dims", "squeeze", "reshape_like", "_np_reshape", "_npx_reshape")
def reshape(heard: Heard, page: Page) -> None:
    """Write a reshape; the codes 0, -1, -2, -3 and -4 are said by the shape that came out."""
    page.last("reshape", heard.operands[0])


@writes("transpose")
def transpose(heard: Heard, page: Page) -> None:
    axes = heard.get("axes", ()) or tuple(reversed(range(len(heard.sizes[0]))))
    page.last("transpose", heard.operands[0], axes=tuple(axis % len(axes) for axis in axes))


@writes("SwapAxis")
def swap_axes(heard: Heard, page: Page) -> None:
    axes = list(range(len(heard.sizes[0])))
    first, second = heard.axis("dim1", 0), heard.axis("dim2", 0)
    axes[first], axes[second] = second, first
    page.last("transpose", heard.operands[0], axes=tuple(axes))


@writes("Concat", "_rnn_param_concat")
def concat(heard: Heard, page: Page) -> None:
    if len(heard.operands) == 1:
        page.last("identity", heard.operands[0])
    else:
        page.last("concat", *heard.operands, axis=heard.axis("dim", 1))


@writes("stack")
def stack(heard: Heard, page: Page) -> None:
    shape = heard.sizes[0]
    axis = int(heard.get("axis", 0)) % (len(shape) + 1)
    grown = (*shape[:axis], 1, *shape[axis:])
    page.last("concat", *(page.step("reshape", (operand,), grown) for operand in heard.operands), axis=axis)


@writes("Pad")
def pad(heard: Heard, page: Page) -> None:
    mode, sides = heard.get("mode"), heard.get("pad_width")
    if mode != "constant":
        return page.foreign(f"mode={mode}")
    page.last("pad", heard.operands[0], widths=tuple(zip(sides[::2], sides[1::2], strict=True)), value=heard.number("constant_value", 0.0))
    return None


@writes("_copy", "identity", "Cast", "amp_cast")
def identity(heard: Heard, page: Page) -> None:
    if "dtype" in heard.attributes and str(heard.attributes["dtype"]) not in ("float32", "float64"):
        return page.foreign(f"dtype={heard.attributes['dtype']}")
    page.last("identity", heard.operands[0])
    return None


@writes("SliceChannel")
def slice_channel(heard: Heard, page: Page) -> None:
    count, axis = int(heard.get("num_outputs")), heard.axis("axis", 1)
    size = heard.sizes[0][axis] // count
    _parts(heard, page, axis, [(i * size, size) for i in range(count)])


@writes("_split_v2")
def split(heard: Heard, page: Page) -> None:
    axis, sections = heard.axis("axis", 1), int(heard.get("sections", 0))
    whole = heard.sizes[0][axis]
    starts = [i * (whole // sections) for i in range(sections)] if sections else list(heard.get("indices"))
    _parts(heard, page, axis, [(start, end - start) for start, end in zip(starts, [*starts[1:], whole], strict=True)])


def _parts(heard: Heard, page: Page, axis: int, parts: list[tuple[int, int]]) -> None:
    shape = heard.sizes[0]
    for place, (start, size) in enumerate(parts):
        cut = (*shape[:axis], size, *shape[axis + 1 :])
        if cut == heard.shapes[place]:
            page.last("split", heard.operands[0], place=place, axis=axis, start=start, size=size)
        else:  # squeeze_axis
            page.last("reshape", page.step("split", heard.operands[:1], cut, axis=axis, start=start, size=size), place=place)


@writes("slice_axis")
def slice_axis(heard: Heard, page: Page) -> None:
    axis = heard.axis("axis", 0)
    start, stop, _ = slice(heard.get("begin"), heard.get("end")).indices(heard.sizes[0][axis])
    _cut(heard, page, {axis: (start, stop - start)})


@writes("slice")
def slices(heard: Heard, page: Page) -> None:
    begin, end, step = heard.get("begin"), heard.get("end"), heard.get("step", ()) or ()
    if any(stride not in (None, 1) for stride in step):
        return page.foreign(f"step={step}")
    ranges = [slice(b, e).indices(size) for b, e, size in zip(begin, end, heard.sizes[0], strict=False)]
    return _cut(heard, page, {axis: (start, stop - start) for axis, (start, stop, _) in enumerate(ranges)})


@writes("slice_like")
def slice_like(heard: Heard, page: Page) -> None:
    rank = len(heard.sizes[0])
    axes = [axis % rank for axis in heard.get("axes", ()) or range(rank)]
    _cut(heard, page, {axis: (0, heard.sizes[1][axis]) for axis in axes})


def _cut(heard: Heard, page: Page, parts: dict[int, tuple[int, int]]) -> None:
    """Take a range of several axes, one after the other."""
    shape: Shape = heard.sizes[0]
    value = heard.operands[0]
    wanted = [(axis, start, size) for axis, (start, size) in parts.items() if size != shape[axis]]
    for axis, start, size in wanted[:-1]:
        shape = (*shape[:axis], size, *shape[axis + 1 :])
        value = page.step("split", (value,), shape, axis=axis, start=start, size=size)
    if wanted:
        axis, start, size = wanted[-1]
        page.last("split", value, axis=axis, start=start, size=size)
    else:
        page.last("identity", value)


@writes("broadcast_axis", "broadcast_to", "broadcast_like", "UpSampling", "tile", "repeat")
def broadcast(heard: Heard, page: Page) -> None:
    if heard.shapes[0] == heard.sizes[0]:
        page.last("identity", heard.operands[0])
    else:
        page.foreign()
