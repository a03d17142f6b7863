"""VGG: 9,554 parameters, for inputs of 1x32x32."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def block(channels, convs):
    net = nn.HybridSequential()
    for i in range(1, convs + 1):
        net.register_child(nn.Conv2D(channels, 3, padding=1), f"conv{i}")
        net.register_child(nn.Activation("relu"), f"relu{i}")
    net.register_child(nn.MaxPool2D(2), "pool")
    return net


class VGG(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.block1 = block(4, convs=1)
        self.block2 = block(8, convs=1)
        self.block3 = block(12, convs=2)
        self.block4 = block(16, convs=3)
        self.flatten = nn.Flatten()
        self.linear = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.block1(x)  # 4x16x16
        x = self.block2(x)  # 8x8x8
        x = self.block3(x)  # 12x4x4
        x = self.block4(x)  # 16x2x2
        x = self.flatten(x)  # 64
        return self.linear(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
