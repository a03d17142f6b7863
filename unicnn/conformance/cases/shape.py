"""Cases of ops that move values."""

from unicnn.conformance.case import Case
from unicnn.ops import Flatten, Identity, Pad, Reshape, Transpose

CASES = (
    Case("image", Identity(), ((3, 4, 5),), exact=True),
    Case("image", Flatten(), ((3, 4, 5),), exact=True),
    Case("vector", Flatten(), ((7,),), exact=True),
    Case("image-of-one-pixel", Flatten(), ((6, 1, 1),), exact=True),
    Case("image-to-image", Reshape((2, 15, 2)), ((3, 4, 5),), exact=True),
    Case("image-to-matrix", Reshape((4, -1)), ((3, 4, 5),), exact=True),
    Case("vector-to-image", Reshape((3, 4, 5)), ((60,),), exact=True),
    Case("matrix-to-vector", Reshape((-1,)), ((4, 5),), exact=True),
    Case("channels-last", Transpose((0, 2, 3, 1)), ((3, 4, 5),), exact=True),
    Case("turn-the-image", Transpose((0, 1, 3, 2)), ((3, 4, 5),), exact=True),
    Case("matrix", Transpose((0, 2, 1)), ((4, 5),), exact=True),
    Case("as-it-is", Transpose((0, 1, 2, 3)), ((3, 4, 5),), exact=True),
    Case("all-sides-1", Pad(1), ((3, 4, 5),), exact=True),
    Case("asymmetric-with-value-2", Pad(((1, 0), (2, 3)), 2.0), ((3, 4, 5),), exact=True),
    Case("nothing", Pad(0), ((3, 4, 5),), exact=True),
)
