"""Cases of normalisation and dropout."""

from unicnn.conformance.case import Setting
from unicnn.ops import BatchNorm2d, Dropout, LayerNorm

_BATCH_NORMS = (
    ("plain", BatchNorm2d(), (3, 5, 4), 4),
    ("eps-1e-3-keep-0.99", BatchNorm2d(eps=1e-3, keep=0.99), (3, 5, 4), 4),
    ("no-scale", BatchNorm2d(scale=False), (3, 5, 4), 4),
    ("no-shift", BatchNorm2d(shift=False), (3, 5, 4), 4),
    ("neither", BatchNorm2d(scale=False, shift=False), (3, 5, 4), 4),
    ("unbiased-running-variance", BatchNorm2d(running_var="unbiased"), (3, 2, 3), 2),
    ("keep-0", BatchNorm2d(keep=0.0), (2, 3, 3), 3),
    ("image-of-one-pixel", BatchNorm2d(), (6, 1, 1), 8),
    ("one-sample", BatchNorm2d(), (3, 6, 5), 1),
    ("many-channels", BatchNorm2d(), (70, 4, 4), 2),
    ("one-channel", BatchNorm2d(), (1, 5, 6), 3),
    ("two-values-unbiased", BatchNorm2d(running_var="unbiased"), (4, 1, 1), 2),
    ("keep-a-half-no-scale-unbiased", BatchNorm2d(keep=0.5, scale=False, running_var="unbiased"), (3, 4, 3), 3),
    ("eps-a-half", BatchNorm2d(eps=0.5), (3, 4, 3), 3),
)

SETTINGS = (
    *(Setting(f"inference-{name}", op, (shape,), batch=batch) for name, op, shape, batch in _BATCH_NORMS),
    *(Setting(f"training-{name}", op, (shape,), batch=batch, training=True) for name, op, shape, batch in _BATCH_NORMS),
    Setting("last-axis-of-a-vector", LayerNorm(), ((11,),)),
    Setting("last-axis-of-an-image", LayerNorm(), ((3, 4, 5),)),
    Setting("whole-image", LayerNorm((1, 2, 3)), ((3, 4, 5),)),
    Setting("channels-of-each-pixel", LayerNorm(1), ((6, 3, 4),)),
    Setting("height-and-width", LayerNorm((2, 3), eps=1e-3), ((3, 4, 5),)),
    Setting("channels-and-width", LayerNorm((1, -1)), ((3, 4, 5),)),
    Setting("no-scale-no-shift", LayerNorm((1, 2, 3), scale=False, shift=False), ((3, 4, 5),)),
    Setting("no-shift", LayerNorm(shift=False), ((9,),)),
    Setting("drop-half", Dropout(0.5), ((3, 6, 5),), exact=True, training=True),
    Setting("drop-three-quarters-of-a-vector", Dropout(0.75), ((40,),), exact=True, training=True),
    Setting("drop-a-tenth", Dropout(0.1), ((3, 6, 5),), training=True),
    Setting("inference", Dropout(0.5), ((3, 4, 5),), exact=True),
)
