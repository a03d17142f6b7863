"""One layer with its numbers for every op of the vocabulary, and a few more for what lowerings treat apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from unicnn import randomness
from unicnn.conformance.fuzzing.spot import Spot
from unicnn.ops import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    CrossEntropy,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Loss,
    MaxPool2d,
    Mul,
    Pad,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    SquaredError,
    Tanh,
    Transpose,
)
from unicnn.ops.base import Op

Array = np.ndarray[Any, Any]

IMAGE = (4, 6, 7)


def spot(op: Op, *shapes: tuple[int, ...], batch: int = 3, training: bool = False) -> Spot:
    """Return an op on normal numbers."""

    def normal(*key: object, shape: tuple[int, ...]) -> Array:
        return randomness.normal(shape, "spots", op, *key).astype(np.float32)

    inputs = tuple(normal("input", place, shape=(batch, *shape)) for place, shape in enumerate(shapes))
    if isinstance(op, Loss):
        role, wanted = op.target(shapes[0])
        target = np.arange(batch) % shapes[0][0] if role == "labels" else normal("target", shape=(batch, *wanted))
        return Spot(op, inputs, {}, target, training)
    drawn = Spot(op, inputs, {}, np.zeros(0), training)
    node = drawn.graph.nodes[0]
    weights = {key: normal(key, shape=item.shape) for key, item in node.parameters.items()}
    weights = {key: np.abs(array) + np.float32(0.5) if key == "var" else array for key, array in weights.items()}
    return Spot(op, inputs, weights, normal("cotangent", shape=(batch, *node.shape)), training)


SPOTS: dict[str, Spot] = {
    "conv2d": spot(Conv2d(6, 3), IMAGE),
    "conv2d-uneven-padding": spot(Conv2d(6, (3, 2), (1, 2), ((1, 0), (0, 2))), IMAGE),
    "conv2d-dilation-and-groups": spot(Conv2d(6, 3, padding=2, dilation=2, groups=2, bias=False), IMAGE),
    "conv2d-depthwise": spot(Conv2d(8, 3, 2, groups=4), IMAGE),
    "conv2d-one-column-and-a-stride": spot(Conv2d(3, (1, 2), (1, 2)), (1, 4, 3)),
    "conv_transpose2d": spot(ConvTranspose2d(6, 3, 2, 1, 1), IMAGE),
    "conv_transpose2d-one-channel-of-many": spot(ConvTranspose2d(1, 3, 2, 1, 1), (16, 3, 4)),
    "conv_transpose2d-one-channel-a-group": spot(ConvTranspose2d(2, (2, 3), (1, 2), ((0, 1), (2, 0)), groups=2), (16, 3, 4)),
    "conv_transpose2d-uneven-crop": spot(ConvTranspose2d(6, 3, 2, ((1, 0), (0, 1)), (1, 0), (1, 2), 2), IMAGE),
    "linear": spot(Linear(5), (9,)),
    "linear-one-sample-without-bias": spot(Linear(5, bias=False), (9,), batch=1),
    "max_pool2d": spot(MaxPool2d(2), IMAGE),
    "max_pool2d-overlapping-ceil": spot(MaxPool2d(3, 2, 1, True), IMAGE),
    "avg_pool2d": spot(AvgPool2d(2), IMAGE),
    "avg_pool2d-ceil-not-counted": spot(AvgPool2d(3, 2, 1, True, False), IMAGE),
    "adaptive_avg_pool2d": spot(AdaptiveAvgPool2d((2, 3)), IMAGE),
    "adaptive_avg_pool2d-global": spot(AdaptiveAvgPool2d(1), IMAGE),
    "batch_norm2d": spot(BatchNorm2d(), IMAGE),
    "batch_norm2d-training": spot(BatchNorm2d(running_var="unbiased", scale=False), IMAGE, training=True),
    "layer_norm": spot(LayerNorm(), IMAGE),
    "layer_norm-channels": spot(LayerNorm((1, 3), shift=False), IMAGE),
    "dropout": spot(Dropout(0.4), IMAGE, training=True),
    "relu": spot(ReLU(), IMAGE),
    "relu6": spot(ReLU6(), IMAGE),
    "leaky_relu": spot(LeakyReLU(0.1), IMAGE),
    "elu": spot(ELU(0.7), IMAGE),
    "sigmoid": spot(Sigmoid(), IMAGE),
    "tanh": spot(Tanh(), IMAGE),
    "silu": spot(SiLU(), IMAGE),
    "gelu": spot(GELU(), IMAGE),
    "gelu-tanh": spot(GELU("tanh"), IMAGE),
    "hardswish": spot(Hardswish(), IMAGE),
    "hardsigmoid": spot(Hardsigmoid(), IMAGE),
    "softmax": spot(Softmax(), IMAGE),
    "softmax-of-vectors": spot(Softmax(), (7,)),
    "log_softmax": spot(LogSoftmax(2), IMAGE),
    "flatten": spot(Flatten(), IMAGE),
    "reshape": spot(Reshape((7, 24)), IMAGE),
    "transpose": spot(Transpose((0, 3, 1, 2)), IMAGE),
    "pad": spot(Pad(((1, 0), (0, 2)), 0.5), IMAGE),
    "add": spot(Add(), IMAGE, (4, 1, 1)),
    "mul": spot(Mul(), IMAGE, IMAGE, IMAGE),
    "concat": spot(Concat(1), IMAGE, (2, 6, 7)),
    "cross_entropy": spot(CrossEntropy(), (5,)),
    "squared_error": spot(SquaredError(0.5, "sum"), (5,)),
}
