"""ResNet18: 11,178,378 parameters, for inputs of 1x224x224."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


class Block(nn.HybridBlock):
    def __init__(self, channels, strides=1, project=False):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, 3, strides=strides, padding=1)
        self.norm1 = nn.BatchNorm()
        self.conv2 = nn.Conv2D(channels, 3, padding=1)
        self.norm2 = nn.BatchNorm()
        self.conv3 = nn.Conv2D(channels, 1, strides=strides) if project else None

    def hybrid_forward(self, F, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.conv3 is not None:
            x = self.conv3(x)
        return F.relu(y + x)


def stage(channels, strides=1, project=False):
    return sequential(
        block1=Block(channels, strides=strides, project=project), block2=Block(channels)
    )


class ResNet18(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2D(64, 7, strides=2, padding=3)
        self.norm1 = nn.BatchNorm()
        self.pool1 = nn.MaxPool2D(3, strides=2, padding=1)
        self.stage1 = stage(64)
        self.stage2 = stage(128, strides=2, project=True)
        self.stage3 = stage(256, strides=2, project=True)
        self.stage4 = stage(512, strides=2, project=True)
        self.pool2 = nn.GlobalAvgPool2D()
        self.flatten = nn.Flatten()
        self.linear = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.pool1(F.relu(self.norm1(self.conv1(x))))  # 64x56x56
        x = self.stage1(x)  # 64x56x56
        x = self.stage2(x)  # 128x28x28
        x = self.stage3(x)  # 256x14x14
        x = self.pool2(self.stage4(x))  # 512x1x1
        x = self.flatten(x)  # 512
        return self.linear(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file with neutral names."""
    roles = {
        "scale": "gamma",
        "shift": "beta",
        "mean": "running_mean",
        "var": "running_var",
    }
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        parameter = parameters[f"{layer}.{roles.get(role, role)}"]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
