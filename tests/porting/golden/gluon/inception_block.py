"""InceptionBlock: 163,696 parameters, for inputs of 192x28x28."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net


class InceptionBlock(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.branch1 = sequential(conv1=nn.Conv2D(64, 1), relu1=nn.Activation("relu"))
        self.branch2 = sequential(
            conv1=nn.Conv2D(96, 1),
            relu1=nn.Activation("relu"),
            conv2=nn.Conv2D(128, 3, padding=1),
            relu2=nn.Activation("relu"),
        )
        self.branch3 = sequential(
            conv1=nn.Conv2D(16, 1),
            relu1=nn.Activation("relu"),
            conv2=nn.Conv2D(32, 5, padding=2),
            relu2=nn.Activation("relu"),
        )
        self.branch4 = sequential(
            pool=nn.MaxPool2D(3, strides=1, padding=1),
            conv1=nn.Conv2D(32, 1),
            relu1=nn.Activation("relu"),
        )

    def hybrid_forward(self, F, x):
        return F.concat(
            self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)
        )  # 256x28x28


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file."""
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        parameter = parameters[name]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
