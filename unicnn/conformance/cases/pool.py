"""Cases of pooling."""

import itertools

from unicnn.conformance.case import Setting
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from unicnn.ops.pool import window_counts

_SETTINGS: tuple[tuple[str, tuple[int, int, int], dict[str, object]], ...] = (
    ("2x2", (3, 6, 8), {"kernel_size": 2}),
    ("2x2-leaves-rows-over", (3, 7, 9), {"kernel_size": 2}),
    ("2x2-stride-1", (3, 5, 6), {"kernel_size": 2, "stride": 1}),
    ("3x3-stride-2", (3, 7, 9), {"kernel_size": 3, "stride": 2}),
    ("3x3-stride-2-pad-1", (3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("3x3-stride-1-pad-1", (2, 5, 5), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("1x3", (2, 5, 9), {"kernel_size": (1, 3)}),
    ("4x1-stride-2x3", (2, 9, 8), {"kernel_size": (4, 1), "stride": (2, 3)}),
    ("stride-larger-than-window", (2, 11, 10), {"kernel_size": 2, "stride": (3, 5)}),
    ("window-is-the-input", (3, 5, 4), {"kernel_size": (5, 4)}),
    ("pad-asymmetric", (3, 6, 7), {"kernel_size": 3, "stride": 2, "padding": ((1, 0), (0, 2))}),
    ("pad-more-than-half-the-window", (2, 6, 6), {"kernel_size": 3, "stride": 2, "padding": 2}),
    ("same-stride-2", (3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": "same"}),
    ("same-even-window", (3, 7, 8), {"kernel_size": 2, "stride": 1, "padding": "same"}),
    ("one-row", (3, 1, 9), {"kernel_size": (1, 2)}),
    ("one-value", (4, 3, 3), {"kernel_size": 1, "stride": 2}),
    ("5x5-stride-1-pad-2", (2, 6, 6), {"kernel_size": 5, "stride": 1, "padding": 2}),
    ("many-channels", (65, 4, 4), {"kernel_size": 2}),
    ("ceil-everywhere-too-far", (2, 5, 5), {"kernel_size": 3, "stride": 3, "ceil_mode": True}),
    ("ceil", (3, 6, 7), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("ceil-pad-1", (3, 6, 6), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("ceil-drops-a-window-in-the-padding", (2, 4, 5), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    ("image-larger-than-a-part", (2, 190, 180), {"kernel_size": 2, "stride": (9, 11)}),
    ("ceil-pad-asymmetric", (2, 7, 8), {"kernel_size": (3, 4), "stride": (2, 3), "padding": ((0, 1), (2, 0)), "ceil_mode": True}),
)


def _mean(name: str, op: AvgPool2d, shape: tuple[int, int, int]) -> Setting:
    """Return a case whose gradients are exact if every divisor is a power of two; the output is one division of an exact sum."""
    divisors = itertools.chain(*window_counts(shape[1:], **op.attributes(shape)))  # type: ignore[arg-type]
    return Setting(name, op, (shape,), exact=True, exact_gradients=all(n & (n - 1) == 0 for n in divisors))


SETTINGS = (
    *(Setting(name, MaxPool2d(**fields), (shape,), exact=True) for name, shape, fields in _SETTINGS),  # type: ignore[arg-type]
    *(_mean(f"counting-{name}", AvgPool2d(**fields), shape) for name, shape, fields in _SETTINGS),  # type: ignore[arg-type]
    *(
        _mean(f"not-counting-{name}", AvgPool2d(**fields, count_include_pad=False), shape)  # type: ignore[arg-type]
        for name, shape, fields in _SETTINGS
        if "padding" in fields or "ceil_mode" in fields
    ),
    Setting("global", AdaptiveAvgPool2d(1), ((3, 4, 8),), exact=True),
    Setting("global-odd", AdaptiveAvgPool2d(1), ((3, 5, 7),)),
    Setting("divides", AdaptiveAvgPool2d((2, 4)), ((3, 4, 8),), exact=True),
    Setting("windows-overlap", AdaptiveAvgPool2d(3), ((3, 5, 7),)),
    Setting("windows-differ-in-size", AdaptiveAvgPool2d((3, 4)), ((2, 7, 9),)),
    Setting("more-windows-than-pixels", AdaptiveAvgPool2d((5, 3)), ((2, 3, 2),)),
    Setting("one-axis", AdaptiveAvgPool2d((1, 3)), ((2, 5, 6),)),
)
