"""Cases of activations."""

from unicnn.conformance.case import Setting
from unicnn.ops import ELU, GELU, Hardsigmoid, Hardswish, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh

_OPS = (
    ("plain", ReLU(), True),
    ("plain", ReLU6(), True),
    ("slope-0.01", LeakyReLU(), False),
    ("slope-0.25", LeakyReLU(0.25), True),
    ("alpha-1", ELU(), False),
    ("alpha-0.25", ELU(0.25), False),
    ("plain", Sigmoid(), False),
    ("plain", Tanh(), False),
    ("plain", SiLU(), False),
    ("exact", GELU(), False),
    ("tanh", GELU("tanh"), False),
    ("plain", Hardswish(), False),
    ("slope-a-sixth", Hardsigmoid(), False),
    ("slope-0.2", Hardsigmoid(0.2), False),
    ("slope-0.25-offset-0.25", Hardsigmoid(0.25, 0.25), True),
)

SETTINGS = (
    *(Setting(f"{name}-of-an-image", op, ((3, 5, 7),), exact=exact) for name, op, exact in _OPS),
    *(Setting(f"{name}-of-a-vector", op, ((37,),), exact=exact) for name, op, exact in _OPS),
    Setting("classes", Softmax(), ((10,),)),
    Setting("channels-of-an-image", Softmax(1), ((6, 3, 4),)),
    Setting("last-axis-of-an-image", Softmax(-1), ((3, 4, 5),)),
    Setting("height", Softmax(2), ((3, 4, 5),)),
    Setting("classes", LogSoftmax(), ((10,),)),
    Setting("channels-of-an-image", LogSoftmax(1), ((6, 3, 4),)),
    Setting("last-axis-of-an-image", LogSoftmax(-1), ((3, 4, 5),)),
    Setting("two-classes-for-each-pixel", LogSoftmax(1), ((2, 24, 24),)),
)
