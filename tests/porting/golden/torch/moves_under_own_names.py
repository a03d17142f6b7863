"""Moves: 820 parameters, for inputs of 4x6x5."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class BatchNorm2d(nn.BatchNorm2d):
    """Keep the biased running variance, as all frameworks but PyTorch do.

    A scale or a shift that is not learned stays 1 or 0.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, scale=True, shift=True):
        super().__init__(num_features, eps, momentum)
        if not scale:
            del self.weight
            self.register_buffer("weight", torch.ones(num_features), persistent=False)
        if not shift:
            del self.bias
            self.register_buffer("bias", torch.zeros(num_features), persistent=False)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
        return F.batch_norm(
            x, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


class Add(nn.Module):
    """Add values; a module, so that the sum has a name."""

    def forward(self, x, *others):
        for other in others:
            x = x + other
        return x


class Concat(nn.Module):
    """Join values along an axis; a module, so that the result has a name."""

    def __init__(self, dim=1):
        super().__init__()
        self.dim = dim

    def forward(self, *values):
        return torch.cat(values, dim=self.dim)


class Reshape(nn.Module):
    """Give each sample another shape."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape)


class Permute(nn.Module):
    """Reorder the axes."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class ScaledHardsigmoid(nn.Module):
    """Return slope * x + offset between 0 and 1; PyTorch's own has a slope of 1/6."""

    def __init__(self, slope, offset):
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, x):
        # clamp would pass on the gradient of the corners, hardtanh does not.
        return F.hardtanh(self.slope * x + self.offset, 0.0, 1.0)


class LayerNorm(nn.LayerNorm):
    """Normalise over any axes; a scale or a shift that is not learned stays 1 or 0."""

    def __init__(self, normalized_shape, axes, eps=1e-5, scale=True, shift=True):
        super().__init__(normalized_shape, eps)
        self.axes, self.last = axes, tuple(range(-len(axes), 0))
        if not scale:
            del self.weight
            self.register_buffer(
                "weight", torch.ones(normalized_shape), persistent=False
            )
        if not shift:
            del self.bias
            self.register_buffer(
                "bias", torch.zeros(normalized_shape), persistent=False
            )

    def forward(self, x):
        y = super().forward(x.movedim(self.axes, self.last))
        return y.movedim(self.last, self.axes)


class UnevenAvgPool2d(nn.Module):
    """Average windows over a padding of which only a part counts.

    Sides are (left, right, top, bottom).
    """

    def __init__(self, kernel_size, stride, padding, counted):
        super().__init__()
        self.kernel_size, self.stride, self.counted = kernel_size, stride, counted
        self.rest = [side - inner for side, inner in zip(padding, counted, strict=True)]

    def mean(self, x, value):
        x = F.pad(F.pad(x, self.counted, value=value), self.rest)
        return F.avg_pool2d(x, self.kernel_size, self.stride)

    def forward(self, x):
        # The same average over ones is the share of cells that count.
        return self.mean(x, 0.0) / self.mean(torch.ones_like(x[:1, :1]), 1.0)


class Moves(nn.Module):
    def __init__(self):
        super().__init__()
        self.border = nn.ConstantPad2d((0, 2, 1, 0), 0.5)
        self.last = Permute(0, 2, 3, 1)
        self.shaped = Reshape(7, 4, 7)
        self.hard = ScaledHardsigmoid(0.2, 0.5)
        self.mean = UnevenAvgPool2d(3, 2, (0, 1, 1, 0), (0, 0, 0, 0))
        self.most = nn.MaxPool2d(2, stride=1)
        self.wide = nn.ConvTranspose2d(
            7, 3, 3, stride=2, padding=(0, 1), output_padding=(0, 1)
        )
        self.same = nn.Conv2d(3, 6, 3, stride=2)
        self.layernorm = LayerNorm((6, 3), axes=(1, 3), shift=False)
        self.batchnorm = BatchNorm2d(6, scale=False)
        self.thrice = Add()
        self.joined = Concat(dim=2)
        self.flat = nn.Flatten()
        self.scores = nn.Linear(108, 4)
        self.logs = nn.LogSoftmax(dim=1)

    def forward(self, x):
        x = self.border(x)  # 4x7x7
        x = self.last(x)  # 7x7x4
        x = self.shaped(x)  # 7x4x7
        x = self.mean(self.hard(x))  # 7x2x3
        # More padding on one side than on the other, which padding= cannot say.
        x = self.most(F.pad(x, (1, 0, 1, 1), value=float("-inf")))  # 7x3x3
        # TensorFlow crops the odd pixel after; padding= crops both sides alike.
        x = self.wide(x)[:, :, :-2, :]  # 3x5x6
        # TensorFlow's SAME puts the odd pixel after; padding= would put it on both
        # sides.
        x = self.batchnorm(self.layernorm(self.same(F.pad(x, (0, 1, 1, 1)))))  # 6x3x3
        x = self.joined(x, self.thrice(x, x, x))  # 6x6x3
        x = self.flat(x)  # 108
        return self.logs(self.scores(x))  # 4


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    roles = {
        "scale": "weight",
        "shift": "bias",
        "mean": "running_mean",
        "var": "running_var",
    }
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layer}.{roles.get(role, role)}"] = value
    net.load_state_dict(state)
