"""Moves: 820 parameters, for inputs of 4x6x5."""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


class LayerNorm(nn.HybridBlock):
    """Normalise over several axes at once; nn.LayerNorm takes one."""

    def __init__(self, shape, axes, epsilon=1e-5, center=True, scale=True):
        super().__init__()
        self.axes, self.epsilon = axes, epsilon
        sizes = [size for axis, size in enumerate(shape) if axis in axes]
        self.shape = shape
        if scale:
            self.gamma = self.params.get("gamma", shape=sizes, init="ones")
        if center:
            self.beta = self.params.get("beta", shape=sizes, init="zeros")

    def hybrid_forward(self, F, x, gamma=None, beta=None):
        x = F.broadcast_sub(x, F.mean(x, axis=self.axes, keepdims=True))
        var = F.mean(F.square(x), axis=self.axes, keepdims=True)
        x = F.broadcast_div(x, F.sqrt(var + self.epsilon))
        if gamma is not None:
            x = F.broadcast_mul(x, F.reshape(gamma, shape=self.shape))
        return (
            x if beta is None else F.broadcast_add(x, F.reshape(beta, shape=self.shape))
        )


class UnevenAvgPool2D(nn.HybridBlock):
    """Average windows over a padding of which only a part counts."""

    def __init__(self, kernel, stride, padding, counted):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        (top, bottom), (left, right) = counted
        self.counted = (0, 0, 0, 0, top, bottom, left, right)
        (upper, lower), (before, after) = padding
        self.rest = (
            0,
            0,
            0,
            0,
            upper - top,
            lower - bottom,
            before - left,
            after - right,
        )

    def mean(self, F, x, value):
        x = F.pad(x, mode="constant", pad_width=self.counted, constant_value=value)
        x = F.pad(x, mode="constant", pad_width=self.rest)
        return F.Pooling(x, pool_type="avg", kernel=self.kernel, stride=self.stride)

    def hybrid_forward(self, F, x):
        # The same average over ones is the share of cells that count.
        return self.mean(F, x, 0) / self.mean(F, F.ones_like(x), 1)


class Moves(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.border = nn.HybridLambda(
            lambda F, x: F.pad(
                x,
                mode="constant",
                pad_width=(0, 0, 0, 0, 1, 0, 0, 2),
                constant_value=0.5,
            )
        )
        self.last = nn.HybridLambda(lambda F, x: F.transpose(x, axes=(0, 2, 3, 1)))
        self.shaped = nn.HybridLambda(lambda F, x: F.reshape(x, shape=(0, 7, 4, 7)))
        self.hard = nn.HybridLambda(lambda F, x: F.clip(0.2 * x + 0.5, 0, 1))
        self.mean = UnevenAvgPool2D((3, 3), (2, 2), ((1, 0), (0, 1)), ((0, 0), (0, 0)))
        self.most = nn.MaxPool2D(2, strides=1)
        self.wide = nn.Conv2DTranspose(
            3, 3, strides=2, padding=(0, 1), output_padding=(0, 1)
        )
        self.same = nn.Conv2D(6, 3, strides=2)
        self.layernorm = LayerNorm((1, 6, 1, 3), (1, 3), center=False)
        self.batchnorm = nn.BatchNorm(scale=False)
        self.thrice = nn.HybridLambda(lambda F, x, y, z: x + y + z)
        self.joined = nn.HybridLambda(lambda F, *values: F.concat(*values, dim=2))
        self.flat = nn.Flatten()
        self.scores = nn.Dense(4)
        self.logs = nn.HybridLambda(lambda F, x: F.log_softmax(x, axis=1))

    def hybrid_forward(self, F, x):
        x = self.border(x)  # 4x7x7
        x = self.last(x)  # 7x7x4
        x = self.shaped(x)  # 7x4x7
        x = self.mean(self.hard(x))  # 7x2x3
        # More padding on one side than on the other, which padding= cannot say.
        x = self.most(
            F.pad(
                x,
                mode="constant",
                pad_width=(0, 0, 0, 0, 1, 1, 1, 0),
                constant_value=float("-inf"),
            )
        )  # 7x3x3
        # TensorFlow crops the odd pixel after; padding= crops both sides alike.
        x = F.slice(
            self.wide(x), begin=(None, None, None, None), end=(None, None, -2, None)
        )  # 3x5x6
        # TensorFlow's SAME puts the odd pixel after; padding= would put it on both
        # sides.
        x = self.same(
            F.pad(x, mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 0, 1))
        )  # 6x3x3
        x = self.batchnorm(self.layernorm(x))  # 6x3x3
        x = self.joined(x, self.thrice(x, x, x))  # 6x6x3
        x = self.flat(x)  # 108
        return self.logs(self.scores(x))  # 4


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
