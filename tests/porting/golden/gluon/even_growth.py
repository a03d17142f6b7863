"""Growth: 880 parameters, for inputs of 4x8x8."""

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


class DenseLayer(Blocks):
    def __init__(self):
        super().__init__(
            {"1": sequential(nn.Activation("relu"), nn.Conv2D(2, 3, padding=1))}
        )

    def hybrid_forward(self, F, x):
        return F.concat(x, self["1"](x))


class Growth(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.dense = sequential(*[DenseLayer() for _ in range(5)])
        self.avgpool = nn.GlobalAvgPool2D()
        self.fc = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.avgpool(self.dense(x))  # 14x1x1
        x = F.flatten(x)  # 14
        return self.fc(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
