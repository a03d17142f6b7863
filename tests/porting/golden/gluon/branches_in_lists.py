"""SqueezeNet10: 3,040 parameters, for inputs of 3x16x16."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


class Blocks(nn.HybridBlock):
    """Hold blocks by name; the block around it calls them."""

    def __init__(self, blocks):
        super().__init__()
        for name, block in blocks.items():
            self.register_child(block, name)

    def __getitem__(self, name):
        return self._children[str(name)]


def sequential(*blocks):
    """Return blocks that follow one another."""
    net = nn.HybridSequential()
    net.add(*blocks)
    return net


def block(channels, kernel_size, padding=0):
    return sequential(
        nn.Conv2D(channels, kernel_size, padding=padding), nn.Activation("relu")
    )


class Concurrent(Blocks):
    def __init__(self, channels):
        super().__init__({"0": block(channels, 1), "1": block(channels, 3, padding=1)})

    def hybrid_forward(self, F, x):
        return F.concat(self[0](x), self[1](x))


def block2(channels):
    return sequential(block(channels, 1), Concurrent(2 * channels))


class SqueezeNet10(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.features = sequential(block2(4), block2(6), block2(8))
        self.avgpool = nn.GlobalAvgPool2D()
        self.fc = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.avgpool(self.features(x))  # 32x1x1
        x = F.flatten(x)  # 32
        return self.fc(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
