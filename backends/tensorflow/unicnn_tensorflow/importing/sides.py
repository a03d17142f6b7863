"""What a transposed convolution leaves out on each side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Pair = tuple[int, int]


def cropped_sides(
    given: Sequence[int], result: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: Any
) -> tuple[Pair, Pair]:
    """Return the crops for sizes before and after; `padding` is that of the convolution whose adjoint it is.

    That convolution goes from the result to what is given. Its padding "same" depends on the size of the result, and what it
    pads before is what is cropped before. A negative crop adds zeros.
    """
    crops = []
    for axis, (n, m, k, s, d) in enumerate(zip(given, result, kernel, stride, dilation, strict=True)):
        full = (n - 1) * s + d * (k - 1) + 1
        before = max(full - m, 0) // 2 if padding == "same" else padding[axis][0]
        crops.append((before, full - m - before))
    return crops[0], crops[1]
