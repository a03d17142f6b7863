"""Cases of convolution."""

from unicnn.conformance.case import Setting
from unicnn.ops import Conv2d, ConvTranspose2d


def _conv(name: str, shape: tuple[int, int, int], *args: object, **fields: object) -> Setting:
    return Setting(name, Conv2d(*args, **fields), (shape,), exact=True)  # type: ignore[arg-type]


def _transposed(name: str, shape: tuple[int, int, int], *args: object, **fields: object) -> Setting:
    return Setting(name, ConvTranspose2d(*args, **fields), (shape,), exact=True)  # type: ignore[arg-type]


SETTINGS = (
    _conv("plain", (3, 8, 9), 4, 3),
    _conv("one-channel", (1, 7, 7), 2, 3),
    _conv("no-bias", (3, 8, 9), 4, 3, bias=False),
    _conv("kernel-1x1", (5, 4, 6), 7, 1),
    _conv("kernel-1x5", (2, 6, 9), 3, (1, 5)),
    _conv("kernel-5x1", (2, 9, 6), 3, (5, 1)),
    _conv("kernel-is-the-input", (3, 5, 4), 6, (5, 4)),
    _conv("even-kernel", (2, 8, 8), 3, (2, 4)),
    _conv("stride-2", (3, 9, 8), 4, 3, stride=2),
    _conv("stride-2x3", (3, 11, 13), 4, (3, 5), stride=(2, 3)),
    _conv("stride-larger-than-kernel", (2, 11, 10), 3, 2, stride=(3, 4)),
    _conv("stride-leaves-rows-over", (2, 10, 10), 3, 3, stride=4),
    _conv("pad-1", (3, 6, 7), 4, 3, padding=1),
    _conv("pad-2x1", (3, 6, 7), 4, 5, padding=(2, 1)),
    _conv("pad-asymmetric", (3, 6, 7), 4, 3, padding=((1, 0), (0, 2))),
    _conv("pad-asymmetric-stride-2x3", (3, 8, 9), 4, (3, 4), stride=(2, 3), padding=((0, 1), (2, 1))),
    _conv("pad-one-side-only", (2, 5, 5), 3, 3, padding=((2, 0), (0, 0))),
    _conv("pad-at-least-the-kernel", (2, 4, 4), 3, 2, padding=3),
    _conv("pad-makes-room-for-the-kernel", (2, 2, 3), 3, 5, padding=2),
    _conv("same", (3, 7, 8), 4, 3, padding="same"),
    _conv("same-even-kernel", (3, 7, 8), 4, (4, 2), padding="same"),
    _conv("same-stride-2", (3, 8, 7), 4, 3, stride=2, padding="same"),
    _conv("same-stride-3-dilation-2", (2, 10, 11), 3, 3, stride=3, dilation=2, padding="same"),
    _conv("dilation-2", (3, 9, 9), 4, 3, dilation=2),
    _conv("dilation-2x3-pad-2", (2, 9, 11), 3, 3, dilation=(2, 3), padding=2),
    _conv("dilation-2-stride-2", (2, 11, 10), 3, 3, dilation=2, stride=2),
    _conv("dilation-3-stride-2x1-pad-asymmetric", (2, 10, 9), 3, (3, 2), dilation=3, stride=(2, 1), padding=((1, 2), (0, 3))),
    _conv("groups-2", (4, 6, 6), 6, 3, groups=2),
    _conv("groups-3-stride-2-pad-1", (6, 7, 8), 9, 3, groups=3, stride=2, padding=1),
    _conv("groups-2-dilation-2", (4, 8, 8), 4, 3, groups=2, dilation=2),
    _conv("depthwise", (5, 7, 7), 5, 3, groups=5),
    _conv("depthwise-multiplier-2", (4, 6, 7), 8, 3, groups=4, padding=1),
    _conv("depthwise-stride-1x2", (4, 8, 9), 4, 3, groups=4, stride=(1, 2)),
    _conv("depthwise-stride-2-dilation-2", (3, 11, 11), 3, 3, groups=3, stride=2, dilation=2, padding=((2, 1), (1, 2))),
    _conv("many-channels", (64, 5, 5), 32, 3, padding=1),
    _conv("many-outputs", (3, 6, 6), 130, 3),
    _conv("long-sum-512-channels", (512, 3, 3), 4, 3),
    _conv("wide-image-1-high", (2, 1, 40), 3, (1, 7), padding=(0, 3)),
    _conv("image-of-one-pixel", (4, 1, 1), 5, 1),
    _conv("large-enough-for-winograd", (8, 14, 14), 8, 3, padding=1),
    Setting("more-pixels-than-a-tile", Conv2d(2, 3, padding=1), ((64, 43, 44),), exact=True, batch=1),
    _transposed("plain", (3, 5, 6), 4, 3),
    _transposed("no-bias", (3, 5, 6), 4, 3, bias=False),
    _transposed("stride-2", (3, 4, 5), 4, 3, stride=2),
    _transposed("stride-2x3-kernel-3x2", (3, 4, 5), 4, (3, 2), stride=(2, 3)),
    _transposed("stride-larger-than-kernel", (2, 3, 4), 3, 2, stride=3),
    _transposed("stride-larger-than-kernel-output-padding", (2, 3, 4), 3, 1, stride=3, output_padding=2),
    _transposed("pad-1", (3, 5, 6), 4, 3, padding=1),
    _transposed("stride-2-pad-1-output-padding-1", (3, 5, 4), 4, 3, stride=2, padding=1, output_padding=1),
    _transposed("output-padding-without-padding", (2, 4, 4), 3, 3, stride=2, output_padding=1),
    _transposed("pad-asymmetric", (3, 5, 6), 4, 4, stride=2, padding=((0, 1), (2, 1))),
    _transposed("dilation-2", (3, 5, 6), 4, 3, dilation=2),
    _transposed("dilation-2-stride-2-pad-1", (2, 5, 4), 3, 3, dilation=2, stride=2, padding=1),
    _transposed("groups-2", (4, 5, 5), 6, 3, groups=2),
    _transposed("groups-2-stride-2-output-padding-1x0", (4, 4, 5), 4, 3, groups=2, stride=2, padding=1, output_padding=(1, 0)),
    _transposed("depthwise", (4, 5, 5), 4, 3, groups=4, stride=2),
    _transposed("kernel-1x1", (3, 4, 4), 5, 1),
    _transposed("many-channels", (48, 4, 4), 24, 3, stride=2),
)
