"""UNet: 7,402 parameters, for inputs of 1x16x16."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


def down(channels):
    return sequential(
        conv1=nn.Conv2D(channels, 3, padding=1),
        relu1=nn.Activation("relu"),
        conv2=nn.Conv2D(channels, 3, padding=1),
        relu2=nn.Activation("relu"),
    )


class Up(nn.HybridBlock):
    def __init__(self, channels):
        super().__init__()
        self.upconv = nn.Conv2DTranspose(channels, 2, strides=2)
        self.double = sequential(
            conv1=nn.Conv2D(channels, 3, padding=1),
            relu1=nn.Activation("relu"),
            conv2=nn.Conv2D(channels, 3, padding=1),
            relu2=nn.Activation("relu"),
        )

    def hybrid_forward(self, F, x, y):
        y = F.concat(y, self.upconv(x))
        return self.double(y)


class UNet(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.down1 = down(4)
        self.pool1 = nn.MaxPool2D(2)
        self.down2 = down(8)
        self.pool2 = nn.MaxPool2D(2)
        self.middle = sequential(
            conv1=nn.Conv2D(16, 3, padding=1),
            relu1=nn.Activation("relu"),
            conv2=nn.Conv2D(16, 3, padding=1),
            relu2=nn.Activation("relu"),
        )
        self.up1 = Up(8)
        self.up2 = Up(4)
        self.out = nn.Conv2D(2, 1)

    def hybrid_forward(self, F, x):
        x = self.down1(x)  # 4x16x16
        y = self.pool1(x)  # 4x8x8
        y = self.down2(y)  # 8x8x8
        z = self.pool2(y)  # 8x4x4
        z = self.middle(z)  # 16x4x4
        z = self.up1(z, y)  # 8x8x8
        z = self.up2(z, x)  # 4x16x16
        return self.out(z)  # 2x16x16


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
