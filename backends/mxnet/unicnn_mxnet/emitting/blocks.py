"""Small blocks that an emitted file brings along, each only where the network needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unicnn.porting.outline.files import classes_used

_SOURCES = {
    "Blocks": '''
class Blocks(nn.HybridBlock):
    """Hold blocks by name; the block around it calls them."""

    def __init__(self, blocks):
        super().__init__()
        for name, block in blocks.items():
            self.register_child(block, name)

    def __getitem__(self, name):
        return self._children[str(name)]
''',
    "LayerNorm": '''
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
        return x if beta is None else F.broadcast_add(x, F.reshape(beta, shape=self.shape))
''',
    "UnevenAvgPool2D": '''
class UnevenAvgPool2D(nn.HybridBlock):
    """Average windows over a padding of which only a part counts."""

    def __init__(self, kernel, stride, padding, counted):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        (top, bottom), (left, right) = counted
        self.counted = (0, 0, 0, 0, top, bottom, left, right)
        (upper, lower), (before, after) = padding
        self.rest = (0, 0, 0, 0, upper - top, lower - bottom, before - left, after - right)

    def mean(self, F, x, value):
        x = F.pad(x, mode="constant", pad_width=self.counted, constant_value=value)
        x = F.pad(x, mode="constant", pad_width=self.rest)
        return F.Pooling(x, pool_type="avg", kernel=self.kernel, stride=self.stride)

    def hybrid_forward(self, F, x):
        # The same average over ones is the share of cells that count.
        return self.mean(F, x, 0) / self.mean(F, F.ones_like(x), 1)
''',
}

_NAMED = '''
def sequential(**blocks):
    """Return blocks that follow one another under their names."""
    net = nn.HybridSequential()
    for name, block in blocks.items():
        net.register_child(block, name)
    return net
'''

_NUMBERED = '''
def sequential(*blocks):
    """Return blocks that follow one another."""
    net = nn.HybridSequential()
    net.add(*blocks)
    return net
'''

_BOTH = '''
def sequential(*blocks, **named):
    """Return blocks that follow one another, numbered or under names."""
    net = nn.HybridSequential()
    net.add(*blocks)
    for name, block in named.items():
        net.register_child(block, name)
    return net
'''


def blocks(source: str, own: set[str]) -> Iterator[str]:
    """Yield the sources of the small blocks that a source uses; `own` are the names that it defines itself."""
    for name, text in _SOURCES.items():
        if name in (classes_used(source) | set(re.findall(r"^class \w+\((\w+)\):", source, re.MULTILINE))) - own:
            yield text.strip()
    calls = len(re.findall(r"\bsequential\(", source))
    named = len(re.findall(r"\bsequential\(\s*(?:#[^\n]*\s*)*(?:\w+=|\*\*)", source))
    if calls:
        yield (_NAMED if calls == named else _BOTH if named else _NUMBERED).strip()
