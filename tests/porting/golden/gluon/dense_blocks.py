"""DenseNet: 5,748 parameters, for inputs of 3x16x16.

Training keeps the biased running variance, as MXNet does; in the original it was
the unbiased one, larger by n / (n - 1). Inference with loaded weights is the same.
"""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


class Layer(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.BatchNorm()
        self.conv1 = nn.Conv2D(16, 1, use_bias=False)
        self.norm2 = nn.BatchNorm()
        self.conv2 = nn.Conv2D(4, 3, padding=1, use_bias=False)

    def hybrid_forward(self, F, x, y):
        x = F.relu(self.norm1(F.concat(x, y)))
        x = F.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Layer2(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.BatchNorm()
        self.conv1 = nn.Conv2D(16, 1, use_bias=False)
        self.norm2 = nn.BatchNorm()
        self.conv2 = nn.Conv2D(4, 3, padding=1, use_bias=False)

    def hybrid_forward(self, F, x, y, z):
        x = F.relu(self.norm1(F.concat(x, y, z)))
        x = F.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Denseblock(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.layer1 = sequential(
            norm1=nn.BatchNorm(),
            relu1=nn.Activation("relu"),
            conv1=nn.Conv2D(16, 1, use_bias=False),
            norm2=nn.BatchNorm(),
            relu2=nn.Activation("relu"),
            conv2=nn.Conv2D(4, 3, padding=1, use_bias=False),
        )
        self.layer2 = Layer()
        self.layer3 = Layer2()

    def hybrid_forward(self, F, x):
        layer1 = self.layer1(x)
        layer2 = self.layer2(x, layer1)
        return F.concat(x, layer1, layer2, self.layer3(x, layer1, layer2))


class DenseNet(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2D(8, 3, padding=1, use_bias=False)
        self.denseblock1 = Denseblock()
        self.transition = sequential(
            norm=nn.BatchNorm(),
            relu=nn.Activation("relu"),
            conv=nn.Conv2D(10, 1),
            pool=nn.AvgPool2D(2),
        )
        self.denseblock2 = Denseblock()
        self.avgpool = nn.GlobalAvgPool2D()
        self.fc = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.conv0(x)  # 8x16x16
        x = self.denseblock1(x)  # 20x16x16
        x = self.transition(x)  # 10x8x8
        x = self.avgpool(self.denseblock2(x))  # 22x1x1
        x = F.flatten(x)  # 22
        return self.fc(x)  # 10


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
