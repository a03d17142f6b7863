"""The networks of the tutorials that unicnn was founded on, ready to run.

Each is a function that returns a `Model`; `get` finds one by name, with "-" or "_": lenet, tf-cnn, vgg11, vgg11-quarter,
nin, resnet18, inception-block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from unicnn.errors import UnknownNameError, closest
from unicnn.model import Model, Sequential
from unicnn.ops import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
)
from unicnn.ops.symbolic import Input, Symbol


def lenet() -> Model:
    """Return the LeNet of the Gluon tutorial: 20 5x5 and 50 3x3 kernels, 128 and 10 units, 170,988 parameters."""
    layers = [
        Conv2d(20, 5, activation="relu"),
        MaxPool2d(2),
        Conv2d(50, 3, activation="relu"),
        MaxPool2d(2),
        Flatten(),
        Linear(128, activation="relu"),
        Linear(10),
    ]
    return Sequential(layers, input=(1, 28, 28), name="lenet")


def tf_cnn() -> Model:
    """Return the subclassed Keras CNN of the TensorFlow tutorial, ending in raw scores: 3,274,634 parameters."""
    layers = [
        Conv2d(32, 5, padding="same", activation="relu"),
        MaxPool2d(2),
        Conv2d(64, 5, padding="same", activation="relu"),
        MaxPool2d(2),
        Flatten(),
        Linear(1024, activation="relu"),
        Linear(10),
    ]
    return Sequential(layers, input=(1, 28, 28), name="tf-cnn")


def vgg11(divisor: int = 1) -> Model:
    """Return VGG-11 for 1x224x224, its convolutions narrower by `divisor`: 128,806,154 parameters, or 43,093,322 at 4."""
    blocks = [(1, 64), (1, 128), (2, 256), (2, 512), (2, 512)]
    layers: list[tuple[str, Op]] = []
    for i, (count, channels) in enumerate(blocks, 1):
        for j in range(1, count + 1):
            layers += [(f"block{i}.conv{j}", Conv2d(channels // divisor, 3, padding=1)), (f"block{i}.relu{j}", ReLU())]
        layers += [(f"block{i}.pool", MaxPool2d(2))]
    layers += [("flatten", Flatten())]
    for i in (1, 2):
        layers += [(f"linear{i}", Linear(4096)), (f"relu{i}", ReLU()), (f"dropout{i}", Dropout(0.5))]
    layers += [("linear3", Linear(10))]
    return Sequential(layers, input=(1, 224, 224), name={1: "vgg11", 4: "vgg11-quarter"}.get(divisor, f"vgg11-{divisor}"))


def vgg11_quarter() -> Model:
    """Return VGG-11 with a quarter of the channels: 43,093,322 parameters."""
    return vgg11(divisor=4)


def nin() -> Model:
    """Return the Network in Network for 1x224x224: 1,992,166 parameters."""
    layers: list[tuple[str, Op]] = []
    blocks = [(96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1), (10, 3, 1, 1)]
    for i, (channels, kernel, stride, padding) in enumerate(blocks, 1):
        convolutions = [Conv2d(channels, kernel, stride=stride, padding=padding), Conv2d(channels, 1), Conv2d(channels, 1)]
        for j, convolution in enumerate(convolutions, 1):
            layers += [(f"block{i}.conv{j}", convolution), (f"block{i}.relu{j}", ReLU())]
        layers += [(f"pool{i}", MaxPool2d(3, stride=2))] if i < 4 else []
        layers += [("dropout", Dropout(0.5))] if i == 3 else []
    layers += [("pool4", AdaptiveAvgPool2d(1)), ("flatten", Flatten())]
    return Sequential(layers, input=(1, 224, 224), name="nin")


def residual(x: Symbol, channels: int, name: str, *, project: bool = False, stride: int = 1) -> Symbol:
    """Return a residual block of two 3x3 convolutions, with a 1x1 projection of the input if asked for."""
    y = Conv2d(channels, 3, padding=1, stride=stride)(x, name=f"{name}.conv1")
    y = ReLU()(BatchNorm2d()(y, name=f"{name}.norm1"), name=f"{name}.relu1")
    y = BatchNorm2d()(Conv2d(channels, 3, padding=1)(y, name=f"{name}.conv2"), name=f"{name}.norm2")
    if project:
        x = Conv2d(channels, 1, stride=stride)(x, name=f"{name}.conv3")
    return ReLU()(Add()(y, x, name=f"{name}.add"), name=f"{name}.relu2")


def resnet18() -> Model:
    """Return the tutorial's ResNet-18 for 1x224x224: biases kept, projections without batch norm, 11,178,378 parameters."""
    x = Input(1, 224, 224)
    y = Conv2d(64, 7, stride=2, padding=3)(x, name="conv1")
    y = ReLU()(BatchNorm2d()(y, name="norm1"), name="relu1")
    y = MaxPool2d(3, stride=2, padding=1)(y, name="pool1")
    for i, channels in enumerate((64, 128, 256, 512), 1):
        first = i > 1
        y = residual(y, channels, f"stage{i}.block1", project=first, stride=2 if first else 1)
        y = residual(y, channels, f"stage{i}.block2")
    y = Flatten()(AdaptiveAvgPool2d(1)(y, name="pool2"), name="flatten")
    return Model(x, Linear(10)(y, name="linear"), name="resnet18")


def inception_block() -> Model:
    """Return the first Inception block of GoogLeNet: 192 channels of 28x28 in, 64 + 128 + 32 + 32 out."""
    x = Input(192, 28, 28)

    def conv(x: Symbol, name: str, channels: int, kernel: int, padding: int = 0) -> Symbol:
        return ReLU()(Conv2d(channels, kernel, padding=padding)(x, name=name), name=name.replace("conv", "relu"))

    first = conv(x, "branch1.conv1", 64, 1)
    second = conv(conv(x, "branch2.conv1", 96, 1), "branch2.conv2", 128, 3, padding=1)
    third = conv(conv(x, "branch3.conv1", 16, 1), "branch3.conv2", 32, 5, padding=2)
    fourth = conv(MaxPool2d(3, stride=1, padding=1)(x, name="branch4.pool"), "branch4.conv1", 32, 1)
    return Model(x, Concat()(first, second, third, fourth), name="inception-block")


_ZOO: dict[str, Callable[[], Model]] = {
    "lenet": lenet,
    "tf-cnn": tf_cnn,
    "vgg11": vgg11,
    "vgg11-quarter": vgg11_quarter,
    "nin": nin,
    "resnet18": resnet18,
    "inception-block": inception_block,
}


def names() -> Iterator[str]:
    """Yield the names of all networks."""
    yield from _ZOO


def get(name: str) -> Model:
    """Return the network called `name`, or raise UnknownNameError with the closest one."""
    key = name.replace("_", "-")
    if key not in _ZOO:
        raise UnknownNameError(f"There is no network called {name!r} in the zoo.{closest(key, _ZOO)}")
    return _ZOO[key]()
