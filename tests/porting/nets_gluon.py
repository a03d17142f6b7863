"""Networks of Gluon and of mx.nd that the tests of the importer share: two tutorials' LeNet, and blocks of every kind."""

from __future__ import annotations

from typing import Any

from unicnn_mxnet.compat import mx

gluon, nd, nn = mx.gluon, mx.nd, mx.gluon.nn


def gluon_lenet() -> Any:
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(channels=20, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(channels=50, kernel_size=3, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dense(128, activation="relu"),
        nn.Dense(10),
    )
    return net


def numbers(*shape: int, scale: float = 0.01) -> Any:
    array = nd.random.normal(scale=scale, shape=shape)
    array.attach_grad()
    return array


mx.random.seed(3)
W1, b1 = numbers(20, 1, 5, 5), numbers(20)
W2, b2 = numbers(50, 20, 3, 3), numbers(50)
W3, b3 = numbers(1250, 128), numbers(128)
W4, b4 = numbers(128, 10), numbers(10)
params = [W1, b1, W2, b2, W3, b3, W4, b4]


def lenet(X: Any, verbose: bool = False) -> Any:  # noqa: N803 - as tutorials write it
    X = nd.transpose(X, (0, 3, 1, 2))  # noqa: N806
    h1_conv = nd.Convolution(data=X, weight=W1, bias=b1, kernel=W1.shape[2:], num_filter=W1.shape[0])
    h1 = nd.Pooling(data=nd.relu(h1_conv), pool_type="max", kernel=(2, 2), stride=(2, 2))
    h2_conv = nd.Convolution(data=h1, weight=W2, bias=b2, kernel=W2.shape[2:], num_filter=W2.shape[0])
    h2 = nd.flatten(nd.Pooling(data=nd.relu(h2_conv), pool_type="max", kernel=(2, 2), stride=(2, 2)))
    h3 = nd.relu(nd.dot(h2, W3) + b3)
    if verbose:
        print("1st dense:", h3.shape)
    return nd.dot(h3, W4) + b4


class Residual(gluon.HybridBlock):
    def __init__(self, channels: int, project: bool, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.conv1 = nn.Conv2D(channels, 3, padding=1, strides=2 if project else 1)
            self.bn1 = nn.BatchNorm()
            self.conv2 = nn.Conv2D(channels, 3, padding=1)
            self.bn2 = nn.BatchNorm()
            self.shortcut = nn.Conv2D(channels, 1, strides=2) if project else None

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(gluon.HybridBlock):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.stem = nn.Conv2D(8, 3, padding=1)
            self.body = nn.HybridSequential()
            self.body.add(Residual(8, False), Residual(16, True))
            self.head = nn.Dense(5)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        x = self.body(self.stem(x))
        return self.head(F.mean(x, axis=(2, 3)))


class Imperative(gluon.Block):
    """Be a block whose forward no symbol could follow: it asks for shapes, indexes, and loops."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.convs = nn.Sequential()
            self.convs.add(nn.Conv2D(6, 3, activation="relu"), nn.Conv2D(6, 3))
            self.scale = self.params.get("scale", shape=(1, 6, 1, 1), init=mx.init.One())
            self.dense = nn.Dense(4)

    def forward(self, x: Any) -> Any:
        for conv in self.convs:
            x = conv(x)
        x = x * self.scale.data() + 0.5
        left, right = x[:, :3], x[:, 3:]
        x = nd.concat(nd.tanh(left), right.sigmoid(), dim=1)
        return self.dense(x.reshape((x.shape[0], -1)))


class Shared(gluon.HybridBlock):
    """Be a block that gives several outputs and takes two inputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.conv = nn.Conv2D(4, 3)
            self.slope = nn.LeakyReLU(0.1)

    def hybrid_forward(self, F: Any, left: Any, right: Any) -> Any:  # noqa: N803
        y = self.slope(self.conv(left)) + right
        return y, F.softmax(F.flatten(y))
