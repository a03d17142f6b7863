"""NiN: 1,992,166 parameters, for inputs of 1x224x224."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


def block(channels, kernel_size, strides=1, padding=0):
    return sequential(
        conv1=nn.Conv2D(channels, kernel_size, strides=strides, padding=padding),
        relu1=nn.Activation("relu"),
        conv2=nn.Conv2D(channels, 1),
        relu2=nn.Activation("relu"),
        conv3=nn.Conv2D(channels, 1),
        relu3=nn.Activation("relu"),
    )


class NiN(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.block1 = block(96, 11, strides=4)
        self.pool1 = nn.MaxPool2D(3, strides=2)
        self.block2 = block(256, 5, padding=2)
        self.pool2 = nn.MaxPool2D(3, strides=2)
        self.block3 = block(384, 3, padding=1)
        self.pool3 = nn.MaxPool2D(3, strides=2)
        self.dropout = nn.Dropout(0.5)
        self.block4 = block(10, 3, padding=1)
        self.pool4 = nn.GlobalAvgPool2D()
        self.flatten = nn.Flatten()

    def hybrid_forward(self, F, x):
        x = self.pool1(self.block1(x))  # 96x26x26
        x = self.pool2(self.block2(x))  # 256x12x12
        x = self.dropout(self.pool3(self.block3(x)))  # 384x5x5
        x = self.pool4(self.block4(x))  # 10x1x1
        return self.flatten(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
