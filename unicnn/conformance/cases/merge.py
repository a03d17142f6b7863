"""Cases of ops that join values."""

from unicnn.conformance.case import Setting
from unicnn.ops import Add, Concat, Mul

_IMAGE = (3, 4, 5)

SETTINGS = (
    Setting("two-images", Add(), (_IMAGE, _IMAGE), exact=True),
    Setting("three-images", Add(), (_IMAGE, _IMAGE, _IMAGE), exact=True),
    Setting("vectors", Add(), ((7,), (7,)), exact=True),
    Setting("one-value-a-channel", Add(), (_IMAGE, (3, 1, 1)), exact=True),
    Setting("row-and-column", Add(), ((3, 1, 5), (3, 4, 1)), exact=True),
    Setting("two-images", Mul(), (_IMAGE, _IMAGE), exact=True),
    Setting("three-vectors", Mul(), ((7,), (7,), (7,)), exact=True),
    Setting("one-value-a-channel", Mul(), (_IMAGE, (3, 1, 1)), exact=True),
    Setting("one-value-a-pixel", Mul(), ((1, 4, 5), _IMAGE), exact=True),
    Setting("channels", Concat(), (_IMAGE, (2, 4, 5)), exact=True),
    Setting("channels-of-three", Concat(), (_IMAGE, (1, 4, 5), (2, 4, 5)), exact=True),
    Setting("height", Concat(2), (_IMAGE, (3, 1, 5)), exact=True),
    Setting("width", Concat(-1), (_IMAGE, (3, 4, 2)), exact=True),
    Setting("vectors", Concat(), ((7,), (2,)), exact=True),
)
