"""Cases of ops that move values."""

from unicnn.conformance.case import Setting
from unicnn.ops import Flatten, Identity, Pad, Reshape, Transpose

SETTINGS = (
    Setting("image", Identity(), ((3, 4, 5),), exact=True),
    Setting("image", Flatten(), ((3, 4, 5),), exact=True),
    Setting("vector", Flatten(), ((7,),), exact=True),
    Setting("image-of-one-pixel", Flatten(), ((6, 1, 1),), exact=True),
    Setting("image-to-image", Reshape((2, 15, 2)), ((3, 4, 5),), exact=True),
    Setting("image-to-matrix", Reshape((4, -1)), ((3, 4, 5),), exact=True),
    Setting("vector-to-image", Reshape((3, 4, 5)), ((60,),), exact=True),
    Setting("matrix-to-vector", Reshape((-1,)), ((4, 5),), exact=True),
    Setting("channels-last", Transpose((0, 2, 3, 1)), ((3, 4, 5),), exact=True),
    Setting("turn-the-image", Transpose((0, 1, 3, 2)), ((3, 4, 5),), exact=True),
    Setting("matrix", Transpose((0, 2, 1)), ((4, 5),), exact=True),
    Setting("as-it-is", Transpose((0, 1, 2, 3)), ((3, 4, 5),), exact=True),
    Setting("all-sides-1", Pad(1), ((3, 4, 5),), exact=True),
    Setting("asymmetric-with-value-2", Pad(((1, 0), (2, 3)), 2.0), ((3, 4, 5),), exact=True),
    Setting("nothing", Pad(0), ((3, 4, 5),), exact=True),
)
