"""What an emitted file brings along because Flax has no such thing, each only where the network needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SOURCES = {
    "UnbiasedBatchNorm": '''
class UnbiasedBatchNorm(nnx.BatchNorm):
    """Keep the unbiased running variance, as PyTorch does."""

    def __call__(self, x):
        kept = self.momentum * self.var[...]
        y = super().__call__(x)
        if not self.use_running_average:
            count = x.size // x.shape[-1]
            self.var[...] = kept + (self.var[...] - kept) * (count / (count - 1))
        return y
''',
    "GroupedConvTranspose": '''
class GroupedConvTranspose(nnx.Module):
    """Transpose a convolution with groups, which nnx.ConvTranspose does not have."""

    def __init__(
        self,
        in_features,
        out_features,
        kernel_size,
        strides,
        padding,
        kernel_dilation,
        groups,
        use_bias=True,
        *,
        rngs,
    ):
        self.strides, self.padding = strides, padding
        self.dilation, self.groups = kernel_dilation, groups
        shape = (*kernel_size, out_features // groups, in_features)
        init = nnx.initializers.lecun_normal(in_axis=-1, out_axis=-2)
        self.kernel = nnx.Param(init(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_features)) if use_bias else None

    def __call__(self, x):
        kernel = self.kernel[...]
        *size, width, features = kernel.shape
        kernel = kernel[::-1, ::-1].reshape(*size, width, self.groups, -1)
        y = jax.lax.conv_general_dilated(
            x,
            kernel.transpose(0, 1, 4, 3, 2).reshape(*size, -1, width * self.groups),
            (1, 1),
            self.padding,
            lhs_dilation=self.strides,
            rhs_dilation=self.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return y if self.bias is None else y + self.bias
''',
    "flatten_channels_first": '''
def flatten_channels_first(x):
    """Return each sample as a vector, its numbers in the order C, H, W."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
''',
    "flatten": '''
def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)
''',
    "reshape": '''
def reshape(x, shape):
    """Give each sample another shape, images with their channels first."""
    x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    x = x.reshape(-1, *shape)
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
''',
    "hard_sigmoid": '''
def hard_sigmoid(x, slope, offset):
    """Return slope * x + offset between 0 and 1; nnx.hard_sigmoid has slope 1/6."""
    return jnp.clip(slope * x + offset, 0.0, 1.0)
''',
    "adaptive_avg_pool": '''
def adaptive_avg_pool(x, output_size):
    """Average as many windows as are wanted; they may overlap and differ in size."""
    for axis, count in zip((1, 2), output_size, strict=True):
        n = x.shape[axis]
        spans = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
        windows = [jax.lax.slice_in_dim(x, *span, axis=axis) for span in spans]
        means = [window.mean(axis, keepdims=True) for window in windows]
        x = jnp.concatenate(means, axis)
    return x
''',
    "bordered_avg_pool": '''
def bordered_avg_pool(x, window_shape, strides, counted, rest):
    """Average windows over a padding of which only a part counts."""
    x = jnp.pad(x, ((0, 0), *counted, (0, 0)))
    return nnx.avg_pool(x, window_shape, strides, rest, count_include_pad=False)
''',
    "add": '''
def add(*values):
    """Return the sum of several values."""
    return reduce(jnp.add, values)
''',
    "multiply": '''
def multiply(*values):
    """Return the product of several values."""
    return reduce(jnp.multiply, values)
''',
}


def pieces(source: str) -> Iterator[str]:
    """Yield the classes and functions that a source uses and Flax has not."""
    for name, text in _SOURCES.items():
        if re.search(rf"(?<![\w.]){name}\b(?!\s*=[^=])", source):
            yield text.strip()
