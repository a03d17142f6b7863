"""Small classes that an emitted file brings along, each only where the network needs it."""

from __future__ import annotations

from collections.abc import Iterator

from unicnn.graph import Graph
from unicnn.ops import BatchNorm2d

_SOURCES = {
    "Add": '''
class Add(nn.Module):
    """Add values; a module, so that the sum has a name."""

    def forward(self, x, *others):
        for other in others:
            x = x + other
        return x
''',
    "Mul": '''
class Mul(nn.Module):
    """Multiply values; a module, so that the product has a name."""

    def forward(self, x, *others):
        for other in others:
            x = x * other
        return x
''',
    "Concat": '''
class Concat(nn.Module):
    """Join values along an axis; a module, so that the result has a name."""

    def __init__(self, dim=1):
        super().__init__()
        self.dim = dim

    def forward(self, *values):
        return torch.cat(values, dim=self.dim)
''',
    "Reshape": '''
class Reshape(nn.Module):
    """Give each sample another shape."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape)
''',
    "Permute": '''
class Permute(nn.Module):
    """Reorder the axes."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)
''',
    "Hardsigmoid": '''
class Hardsigmoid(nn.Module):
    """Return x / 6 + 1/2 between 0 and 1.

    The gradient of nn.Hardsigmoid is no more exact than float32, in float64 too.
    """

    def forward(self, x):
        return F.relu6(x + 3) / 6
''',
    "ScaledHardsigmoid": '''
class ScaledHardsigmoid(nn.Module):
    """Return slope * x + offset between 0 and 1; PyTorch's own has a slope of 1/6."""

    def __init__(self, slope, offset):
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, x):
        # clamp would pass on the gradient of the corners, hardtanh does not.
        return F.hardtanh(self.slope * x + self.offset, 0.0, 1.0)
''',
    "LayerNorm2d": '''
class LayerNorm2d(nn.LayerNorm):
    """Normalise each pixel over its channels."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
''',
    "LayerNorm": '''
class LayerNorm(nn.LayerNorm):
    """Normalise over any axes; a scale or a shift that is not learned stays 1 or 0."""

    def __init__(self, normalized_shape, axes, eps=1e-5, scale=True, shift=True):
        super().__init__(normalized_shape, eps)
        self.axes, self.last = axes, tuple(range(-len(axes), 0))
        if not scale:
            del self.weight
            self.register_buffer("weight", torch.ones(normalized_shape), persistent=False)
        if not shift:
            del self.bias
            self.register_buffer("bias", torch.zeros(normalized_shape), persistent=False)

    def forward(self, x):
        y = super().forward(x.movedim(self.axes, self.last))
        return y.movedim(self.last, self.axes)
''',
    "CroppedConvTranspose2d": '''
class CroppedConvTranspose2d(nn.ConvTranspose2d):
    """Crop each side of the full output by itself; a negative side adds zeros."""

    def __init__(self, *args, crop, **kwargs):
        super().__init__(*args, **kwargs)
        self.crop = crop

    def forward(self, x):
        bias = None if self.bias is None else self.bias[:, None, None]
        y = F.conv_transpose2d(x, self.weight, None, self.stride, 0, 0, self.groups, self.dilation)
        y = F.pad(y, [max(-side, 0) for side in self.crop])
        y = F.pad(y, [min(-side, 0) for side in self.crop])
        return y if bias is None else y + bias
''',
    "UnevenAvgPool2d": '''
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
''',
}

_BIASED = """
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
"""
_PARTIAL = """
    def __init__(self, num_features, eps=1e-5, momentum=0.1, scale=True, shift=True):
        super().__init__(num_features, eps, momentum)
        if not scale:
            del self.weight
            self.register_buffer("weight", torch.ones(num_features), persistent=False)
        if not shift:
            del self.bias
            self.register_buffer("bias", torch.zeros(num_features), persistent=False)
"""


def pieces(graph: Graph, used: set[str]) -> Iterator[str]:
    """Yield the sources of the classes called `used` that are no part of PyTorch."""
    if "BatchNorm2d" in used:
        yield _batch_norm(graph)
    for name, source in _SOURCES.items():
        if name in used:
            yield source.strip()


def _batch_norm(graph: Graph) -> str:
    norms = [node.op for node in graph.nodes if isinstance(node.op, BatchNorm2d)]
    partial = any(not (op.scale and op.shift) for op in norms)
    biased = any(op.running_var == "biased" for op in norms)
    fixed = "A scale or a shift that is not learned stays 1 or 0."
    more = f"\n\n    {fixed}\n    " if partial else ""
    says = f"Keep the biased running variance, as all frameworks but PyTorch do.{more}" if biased else fixed
    head = f'class BatchNorm2d(nn.BatchNorm2d):\n    """{says}"""\n'
    return (head + (_PARTIAL if partial else "") + (_BIASED if biased else "")).rstrip()
