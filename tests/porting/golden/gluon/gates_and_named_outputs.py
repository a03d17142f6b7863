"""SENet: 5,740 parameters, for inputs of 8x16x16."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


class SE(nn.HybridBlock):
    def __init__(self, channels):
        super().__init__()
        self.pool = nn.GlobalAvgPool2D()
        self.fc1 = nn.Conv2D(channels, 1)
        self.fc2 = nn.Conv2D(4 * channels, 1)

    def hybrid_forward(self, F, x):
        y = self.pool(x)
        y = F.relu(self.fc1(y))
        y = F.minimum(F.relu(self.fc2(y) + 3), 6) / 6
        return F.broadcast_mul(x, y)


def block(channels):
    return sequential(
        conv=nn.Conv2D(channels, 3, padding=1),
        se=SE(channels // 4),
        hardswish=nn.HybridLambda(lambda F, x: x * F.minimum(F.relu(x + 3), 6) / 6),
    )


class SENet(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.block1 = block(8)
        self.block2 = block(16)
        self.block3 = block(24)

    def hybrid_forward(self, F, x):
        x = self.block1(x)  # 8x16x16
        x = self.block2(x)  # 16x16x16
        x = self.block3(x)  # 24x16x16
        return {"map": x, "vector": F.flatten(x)}


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
