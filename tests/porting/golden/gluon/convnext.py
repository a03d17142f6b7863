"""ConvNeXt: 4,090 parameters, for inputs of 3x16x16."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(*blocks, **named):
    """Return blocks that follow one another, numbered or under names."""
    net = nn.HybridSequential()
    net.add(*blocks)
    for name, block in named.items():
        net.register_child(block, name)
    return net


class Block(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.dwconv = nn.Conv2D(8, 5, padding=2, groups=8)
        self.norm = nn.LayerNorm(axis=1, epsilon=1e-6)
        self.pwconv1 = nn.Conv2D(32, 1)
        self.pwconv2 = nn.Conv2D(8, 1)

    def hybrid_forward(self, F, x):
        y = self.norm(self.dwconv(x))  # 8x8x8
        y = self.pwconv1(y)  # 32x8x8
        y = 0.5 * y * (1 + F.erf(y * 0.7071067811865476))  # 32x8x8
        return x + self.pwconv2(y)  # 8x8x8


class ConvNeXt(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.stem = sequential(
            conv=nn.Conv2D(8, 2, strides=2), norm=nn.LayerNorm(axis=1, epsilon=1e-6)
        )
        self.blocks = sequential(*[Block() for _ in range(5)])
        self.avgpool = nn.GlobalAvgPool2D()
        self.fc = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.stem(x)  # 8x8x8
        x = self.avgpool(self.blocks(x))  # 8x1x1
        x = F.flatten(x)  # 8
        return self.fc(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file with neutral names."""
    roles = {"scale": "gamma", "shift": "beta"}
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        parameter = parameters[f"{layer}.{roles.get(role, role)}"]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
