"""Borders cut off, or zeros added, behind a transposed convolution: its own crop."""

from __future__ import annotations

import dataclasses

from unicnn.graph import layer_shape
from unicnn.ops import ConvTranspose2d
from unicnn.ops.fields import Sides
from unicnn.porting.lifting.draft import Drafts, Lifted
from unicnn.porting.tape import Call


def cropped(drafts: Drafts, call: Call, x: Lifted, sides: Sides) -> Lifted | None:
    """Return `x` with `sides` of its canonical border cut off (where negative, zeros added), or None if its layer cannot do so itself."""
    draft = drafts.drafts.get(x.draft)
    if draft is None or not isinstance(draft.op, ConvTranspose2d) or not drafts.alone(x) or x.rank != 4:
        return None
    op = draft.op
    if op.bias and min(map(min, sides)) < 0:
        return None
    whole = [
        (before + first, after - extra + last)
        for (before, after), extra, (first, last) in zip(op.padding, op.output_padding, sides, strict=True)
    ]
    if any(before < 0 for before, _ in whole):
        return None
    padding = tuple((before, max(after, 0)) for before, after in whole)
    changed = dataclasses.replace(op, padding=padding, output_padding=tuple(max(-after, 0) for _, after in whole))
    shape = layer_shape(f"{drafts.name}/{call.path or call.name} ({changed})", changed, tuple(drafts.shapes[key] for key in draft.inputs))
    drafts.shapes[draft.key] = shape
    return drafts.amend(dataclasses.replace(x, shape=shape), call, op=changed)
