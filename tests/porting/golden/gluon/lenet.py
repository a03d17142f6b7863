"""LeNet: 170,988 parameters, for inputs of 1x28x28."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


class LeNet(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2D(20, 5)
        self.pool1 = nn.MaxPool2D(2)
        self.conv2 = nn.Conv2D(50, 3)
        self.pool2 = nn.MaxPool2D(2)
        self.linear1 = nn.Dense(128)
        self.linear2 = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.pool1(F.relu(self.conv1(x)))  # 20x12x12
        x = self.pool2(F.relu(self.conv2(x)))  # 50x5x5
        x = F.flatten(x)  # 1250
        x = F.relu(self.linear1(x))  # 128
        return self.linear2(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
