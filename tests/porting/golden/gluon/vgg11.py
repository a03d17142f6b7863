"""VGG11: 128,806,154 parameters, for inputs of 1x224x224."""

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


class VGG11(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.block1 = block(64, convs=1)
        self.block2 = block(128, convs=1)
        self.block3 = block(256, convs=2)
        self.block4 = block(512, convs=2)
        self.block5 = block(512, convs=2)
        self.flatten = nn.Flatten()
        self.linear1 = nn.Dense(4096)
        self.dropout1 = nn.Dropout(0.5)
        self.linear2 = nn.Dense(4096)
        self.dropout2 = nn.Dropout(0.5)
        self.linear3 = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.block1(x)  # 64x112x112
        x = self.block2(x)  # 128x56x56
        x = self.block3(x)  # 256x28x28
        x = self.block4(x)  # 512x14x14
        x = self.block5(x)  # 512x7x7
        x = self.flatten(x)  # 25088
        x = self.dropout1(F.relu(self.linear1(x)))  # 4096
        x = self.dropout2(F.relu(self.linear2(x)))  # 4096
        return self.linear3(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
