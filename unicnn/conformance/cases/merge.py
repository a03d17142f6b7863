"""Cases of ops that join values."""

from unicnn.conformance.case import Case
from unicnn.ops import Add, Concat, Mul

_IMAGE = (3, 4, 5)

CASES = (
    Case("two-images", Add(), (_IMAGE, _IMAGE), exact=True),
    Case("three-images", Add(), (_IMAGE, _IMAGE, _IMAGE), exact=True),
    Case("vectors", Add(), ((7,), (7,)), exact=True),
    Case("one-value-a-channel", Add(), (_IMAGE, (3, 1, 1)), exact=True),
    Case("row-and-column", Add(), ((3, 1, 5), (3, 4, 1)), exact=True),
    Case("two-images", Mul(), (_IMAGE, _IMAGE), exact=True),
    Case("three-vectors", Mul(), ((7,), (7,), (7,)), exact=True),
    Case("one-value-a-channel", Mul(), (_IMAGE, (3, 1, 1)), exact=True),
    Case("one-value-a-pixel", Mul(), ((1, 4, 5), _IMAGE), exact=True),
    Case("channels", Concat(), (_IMAGE, (2, 4, 5)), exact=True),
    Case("channels-of-three", Concat(), (_IMAGE, (1, 4, 5), (2, 4, 5)), exact=True),
    Case("height", Concat(2), (_IMAGE, (3, 1, 5)), exact=True),
    Case("width", Concat(-1), (_IMAGE, (3, 4, 2)), exact=True),
    Case("vectors", Concat(), ((7,), (2,)), exact=True),
)
