"""Networks with the structures that real ones have, small enough to run in a moment; each with its original's class names."""

from __future__ import annotations

from collections.abc import Callable

import unicnn as un
from unicnn.model import Model
from unicnn.ops import (
    GELU,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    LayerNorm,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Mul,
    Pad,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
    Transpose,
)
from unicnn.ops.symbolic import Input, Symbol
from unicnn.porting.outline import Hints


def _norm(x: Symbol, name: str) -> Symbol:
    return BatchNorm2d(running_var="unbiased")(x, name=name)


def _head(x: Symbol, classes: int = 10) -> Symbol:
    x = Flatten()(AdaptiveAvgPool2d(1)(x, name="avgpool"), name="flatten1")
    return Linear(classes)(x, name="fc")


def bottlenecks() -> tuple[Model, Hints]:
    """Return a small ResNet of bottlenecks, its blocks numbered in lists, some with a projection."""
    x = Input(3, 32, 32)
    classes = {"": "ResNet"}
    y = ReLU()(_norm(Conv2d(8, 3, padding=1, bias=False)(x, name="conv1"), "bn1"), name="relu")
    for i, (count, width) in enumerate(((2, 8), (3, 12), (4, 16)), 1):
        classes[f"layer{i}"] = "Sequential"
        for j in range(count):
            y = _bottleneck(y, width, f"layer{i}.{j}", 2 if i > 1 and j == 0 else 1, j == 0, classes)
    return Model(x, _head(y), name="resnet29"), Hints(classes)


def _bottleneck(x: Symbol, width: int, path: str, stride: int, project: bool, classes: dict[str, str]) -> Symbol:
    classes[path] = "Bottleneck"
    y = ReLU()(_norm(Conv2d(width, 1, bias=False)(x, name=f"{path}.conv1"), f"{path}.bn1"), name=f"{path}.relu1")
    y = Conv2d(width, 3, stride, 1, bias=False)(y, name=f"{path}.conv2")
    y = ReLU()(_norm(y, f"{path}.bn2"), name=f"{path}.relu2")
    y = _norm(Conv2d(4 * width, 1, bias=False)(y, name=f"{path}.conv3"), f"{path}.bn3")
    if project:
        classes[f"{path}.downsample"] = "Sequential"
        x = Conv2d(4 * width, 1, stride, bias=False)(x, name=f"{path}.downsample.0")
        x = _norm(x, f"{path}.downsample.1")
    return ReLU()(Add()(y, x, name=f"{path}.add"), name=f"{path}.relu3")


def inverted() -> tuple[Model, Hints]:
    """Return a small MobileNetV2: sequences of sequences, depthwise convolutions, blocks with and without a sum."""
    x = Input(3, 32, 32)
    classes = {"": "MobileNetV2", "features": "Sequential"}
    y = _conv_norm(x, 8, 3, 2, 1, 1, "features.0", classes)
    for i, (width, stride) in enumerate(((8, 1), (12, 2), (12, 1), (12, 1), (12, 1), (16, 2), (16, 1)), 1):
        path = f"features.{i}"
        classes |= {path: "InvertedResidual", f"{path}.conv": "Sequential"}
        inner = 6 * y.shape[0]
        z = _conv_norm(y, inner, 1, 1, 0, 1, f"{path}.conv.0", classes)
        z = _conv_norm(z, inner, 3, stride, 1, inner, f"{path}.conv.1", classes)
        z = _norm(Conv2d(width, 1, bias=False)(z, name=f"{path}.conv.2"), f"{path}.conv.3")
        y = Add()(y, z, name=f"{path}.add") if y.shape == z.shape else z
    y = Flatten()(AdaptiveAvgPool2d(1)(y, name="pool1"), name="flatten1")
    return Model(x, Linear(10)(Dropout(0.2)(y, name="classifier.0"), name="classifier.1"), name="mobilenet"), Hints(classes)


def _conv_norm(x: Symbol, channels: int, kernel: int, stride: int, padding: int, groups: int, path: str, classes: dict[str, str]) -> Symbol:
    classes[path] = "ConvNormActivation"
    y = Conv2d(channels, kernel, stride, padding, groups=groups, bias=False)(x, name=f"{path}.0")
    return ReLU6()(_norm(y, f"{path}.1"), name=f"{path}.2")


def dense() -> tuple[Model, Hints]:
    """Return a small DenseNet, whose layers take all values before them."""
    x = Input(3, 16, 16)
    y = Conv2d(8, 3, padding=1, bias=False)(x, name="conv0")
    for b in (1, 2):
        values = [y]
        for i in (1, 2, 3):
            path = f"denseblock{b}.layer{i}"
            z = Concat()(*values, name=f"{path}.concat") if i > 1 else y
            z = Conv2d(16, 1, bias=False)(ReLU()(_norm(z, f"{path}.norm1"), name=f"{path}.relu1"), name=f"{path}.conv1")
            z = Conv2d(4, 3, padding=1, bias=False)(ReLU()(_norm(z, f"{path}.norm2"), name=f"{path}.relu2"), name=f"{path}.conv2")
            values.append(z)
        y = Concat()(*values, name=f"denseblock{b}.concat")
        if b == 1:
            y = Conv2d(10, 1)(ReLU()(_norm(y, "transition.norm"), name="transition.relu"), name="transition.conv")
            y = AvgPool2d(2)(y, name="transition.pool")
    return Model(x, _head(y), name="densenet"), Hints()


def gates() -> tuple[Model, Hints]:
    """Return blocks with squeeze and excitation, and two outputs with names."""
    x = Input(8, 16, 16)
    y = x
    for b in (1, 2, 3):
        path = f"block{b}"
        z = Conv2d(8 * b, 3, padding=1)(y, name=f"{path}.conv")
        s = AdaptiveAvgPool2d(1)(z, name=f"{path}.se.pool")
        s = ReLU()(Conv2d(2 * b, 1)(s, name=f"{path}.se.fc1"), name=f"{path}.se.relu")
        s = Hardsigmoid()(Conv2d(8 * b, 1)(s, name=f"{path}.se.fc2"), name=f"{path}.se.hardsigmoid")
        y = Hardswish()(Mul()(z, s, name=f"{path}.se.mul"), name=f"{path}.hardswish")
    return Model(x, {"map": y, "vector": Flatten()(y, name="flatten1")}, name="se-net"), Hints()


def convnext() -> tuple[Model, Hints]:
    """Return a small ConvNeXt: layer norm over channels, equal blocks in a list."""
    x = Input(3, 16, 16)
    y = LayerNorm(1, eps=1e-6)(Conv2d(8, 2, 2)(x, name="stem.conv"), name="stem.norm")
    for b in range(5):
        path = f"blocks.{b}"
        z = LayerNorm(1, eps=1e-6)(Conv2d(8, 5, padding=2, groups=8)(y, name=f"{path}.dwconv"), name=f"{path}.norm")
        z = Conv2d(8, 1)(GELU()(Conv2d(32, 1)(z, name=f"{path}.pwconv1"), name=f"{path}.gelu"), name=f"{path}.pwconv2")
        y = Add()(y, z, name=f"{path}.add")
    return Model(x, _head(y), name="convnext"), Hints()


def unet() -> tuple[Model, Hints]:
    """Return a small U-Net: blocks of two inputs, values that are read much later."""
    x = Input(1, 16, 16)
    skips, y = [], x
    for i, channels in enumerate((4, 8), 1):
        y = _double(y, channels, f"down{i}")
        skips.append(y)
        y = MaxPool2d(2)(y, name=f"pool{i}")
    y = _double(y, 16, "middle")
    for i, channels in enumerate((8, 4), 1):
        y = ConvTranspose2d(channels, 2, 2)(y, name=f"up{i}.upconv")
        y = _double(Concat()(skips.pop(), y, name=f"up{i}.concat"), channels, f"up{i}.double")
    return Model(x, Conv2d(2, 1)(y, name="out"), name="unet"), Hints()


def _double(x: Symbol, channels: int, path: str) -> Symbol:
    for i in (1, 2):
        x = ReLU()(Conv2d(channels, 3, padding=1)(x, name=f"{path}.conv{i}"), name=f"{path}.relu{i}")
    return x


def vgg() -> tuple[Model, Hints]:
    """Return a small VGG, whose blocks differ in how many convolutions they have."""
    x = y = Input(1, 32, 32)
    for b, (count, channels) in enumerate(((1, 4), (1, 8), (2, 12), (3, 16)), 1):
        for i in range(1, count + 1):
            y = ReLU()(Conv2d(channels, 3, padding=1)(y, name=f"block{b}.conv{i}"), name=f"block{b}.relu{i}")
        y = MaxPool2d(2)(y, name=f"block{b}.pool")
    return Model(x, Linear(10)(Flatten()(y, name="flatten"), name="linear"), name="vgg"), Hints()


def fires() -> tuple[Model, Hints]:
    """Return a small SqueezeNet out of nothing but lists: sequences, and branches whose results are joined."""
    x = y = Input(3, 16, 16)
    classes = {"": "SqueezeNet", "features": "HybridSequential"}
    for i, channels in enumerate((4, 6, 8)):
        path = f"features.{i}"
        classes |= {path: "HybridSequential", f"{path}.1": "Concurrent"}
        y = ReLU()(Conv2d(channels, 1)(y, name=f"{path}.0.0"), name=f"{path}.0.1")
        wide = []
        for j, kernel in enumerate((1, 3)):
            wide.append(ReLU()(Conv2d(2 * channels, kernel, padding=j)(y, name=f"{path}.1.{j}.0"), name=f"{path}.1.{j}.1"))
        y = Concat()(*wide, name=f"{path}.1.concat")
    return Model(x, _head(y), name="squeezenet1.0"), Hints(classes)


def growth() -> tuple[Model, Hints]:
    """Return dense layers out of lists, each of which adds as many channels."""
    x = y = Input(4, 8, 8)
    classes = {"dense": "Sequential"}
    for i in range(5):
        classes[f"dense.{i}"] = "DenseLayer"
        z = Conv2d(2, 3, padding=1)(ReLU()(y, name=f"dense.{i}.1.0"), name=f"dense.{i}.1.1")
        y = Concat()(y, z, name=f"dense.{i}.concat")
    return Model(x, _head(y), name="growth"), Hints(classes)


def siamese() -> tuple[Model, Hints]:
    """Return a network of two inputs and two outputs, whose scopes interleave, and whose names are hard to write."""
    left, right = Input(2, 8, 8, name="left"), Input(2, 8, 8, name="right")
    a = Conv2d(4, 3)(left, name="left-arm.conv")
    b = Conv2d(4, 3)(right, name="right-arm.conv")
    a = Tanh()(a, name="left-arm.0")
    b = Sigmoid()(b, name="right-arm.type")
    both = Mul()(a, b, a, name="fused")
    total = Add()(both, a, name="train.sum")
    scores = Linear(3)(Flatten()(total, name="train.class"), name="train.1")
    return Model([left, right], [Softmax()(scores, name="softmax"), total], name="siamese"), Hints()


def moves() -> tuple[Model, Hints]:
    """Return a network of what has no module of its own in most frameworks, under names that are not the rule's."""
    x = Input(4, 6, 5)
    y = Transpose((0, 2, 3, 1))(Pad(((1, 0), (0, 2)), 0.5)(x, name="border"), name="last")
    y = Reshape((7, 4, 7))(y, name="shaped")
    y = Hardsigmoid(slope=0.2, offset=0.5)(y, name="hard")
    y = AvgPool2d(3, 2, ((1, 0), (0, 1)), count_include_pad=False)(y, name="mean")
    y = MaxPool2d(2, 1, ((1, 1), (1, 0)))(y, name="most")
    y = ConvTranspose2d(3, 3, 2, ((0, 2), (1, 0)))(y, name="wide")
    y = Conv2d(6, 3, 2, padding="same")(y, name="same")
    y = BatchNorm2d(scale=False)(LayerNorm((1, 3), shift=False)(y, name="layernorm"), name="batchnorm")
    y = Concat(2)(y, Add()(y, y, y, name="thrice"), name="joined")
    return Model(x, LogSoftmax()(Linear(4)(Flatten()(y, name="flat"), name="scores"), name="logs"), name="moves"), Hints()


STRUCTURES: dict[str, Callable[[], tuple[Model, Hints]]] = {
    "bottlenecks": bottlenecks,
    "inverted residuals": inverted,
    "dense blocks": dense,
    "gates and named outputs": gates,
    "convnext": convnext,
    "unet": unet,
    "vgg": vgg,
    "branches in lists": fires,
    "even growth": growth,
    "two inputs and hard names": siamese,
    "moves under own names": moves,
}

ZOO = ("lenet", "tf-cnn", "nin", "resnet18", "inception-block")
"""The networks of the zoo that run in a moment; VGG-11 only differs from the small one in size."""


def structure(name: str) -> tuple[Model, Hints]:
    """Return a structure, or a network of the zoo."""
    return STRUCTURES[name]() if name in STRUCTURES else (un.zoo.get(name), Hints())
