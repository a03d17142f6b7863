"""TFCNN: 3,274,634 parameters, for inputs of 1x28x28."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


class TFCNN(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2D(32, 5, padding=2)
        self.pool1 = nn.MaxPool2D(2)
        self.conv2 = nn.Conv2D(64, 5, padding=2)
        self.pool2 = nn.MaxPool2D(2)
        self.linear1 = nn.Dense(1024)
        self.linear2 = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.pool1(F.relu(self.conv1(x)))  # 32x14x14
        x = self.pool2(F.relu(self.conv2(x)))  # 64x7x7
        x = F.flatten(x)  # 3136
        x = F.relu(self.linear1(x))  # 1024
        return self.linear2(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
