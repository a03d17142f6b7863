"""Siamese: 587 parameters, for inputs of 2x8x8 and 2x8x8."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


class Blocks(nn.HybridBlock):
    """Hold blocks by name; the block around it calls them."""

    def __init__(self, blocks):
        super().__init__()
        for name, block in blocks.items():
            self.register_child(block, name)

    def __getitem__(self, name):
        return self._children[str(name)]


class Siamese(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.left_arm = Blocks({"conv": nn.Conv2D(4, 3), "0": nn.Activation("tanh")})
        self.right_arm = Blocks(
            {"conv": nn.Conv2D(4, 3), "type_": nn.Activation("sigmoid")}
        )
        self.fused = nn.HybridLambda(lambda F, x, y, z: x * y * z)
        self.train_ = Blocks(
            {
                "sum_": nn.HybridLambda(lambda F, x, y: x + y),
                "class_": nn.Flatten(),
                "1": nn.Dense(3),
            }
        )
        self.softmax = nn.HybridLambda(lambda F, x: F.softmax(x, axis=1))

    def hybrid_forward(self, F, left, right):
        left = self.left_arm["conv"](left)  # 4x6x6
        right = self.right_arm["conv"](right)  # 4x6x6
        left = self.left_arm["0"](left)  # 4x6x6
        right = self.fused(left, self.right_arm["type_"](right), left)  # 4x6x6
        right = self.train_["sum_"](right, left)  # 4x6x6
        x = self.train_["class_"](right)  # 144
        return self.softmax(self.train_["1"](x)), right


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file with neutral names."""
    layers = {
        "left-arm.conv": "left_arm.conv",
        "right-arm.conv": "right_arm.conv",
        "train.1": "train_.1",
    }
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        parameter = parameters[f"{layers.get(layer, layer)}.{role}"]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
