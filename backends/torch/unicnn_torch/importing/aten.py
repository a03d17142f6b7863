"""What each ATen call is in the words of the tape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unicnn_torch.importing.arithmetic import ARITHMETIC
from unicnn_torch.importing.layers import LAYERS
from unicnn_torch.importing.nodes import Node, Passed, Rule, Word

RULES: Mapping[str, Rule] = {**LAYERS, **ARITHMETIC}

NEAREST: Mapping[str, str] = {
    "prelu": "Use nn.LeakyReLU, whose slope is a number and not learned.",
    **dict.fromkeys(("rrelu", "rrelu_with_noise"), "Use nn.LeakyReLU, whose slope is not random."),
    **dict.fromkeys(("softplus", "mish", "selu", "log_sigmoid", "softshrink", "hardshrink"), "Use nn.SiLU, nn.GELU or nn.ELU."),
    **dict.fromkeys(("group_norm", "instance_norm"), "Use nn.BatchNorm2d, or nn.LayerNorm over all axes of a sample."),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"), "Use nn.ConvTranspose2d with a stride."),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), "Use nn.ConvTranspose2d with a stride."),
    **dict.fromkeys(("reflection_pad2d", "replication_pad2d"), "Pad with a number: nn.ZeroPad2d."),
    **dict.fromkeys(
        ("conv1d", "max_pool1d", "avg_pool1d", "adaptive_avg_pool1d"), "Give the signal an axis more and use the layer of images."
    ),
    **dict.fromkeys(("conv3d", "max_pool3d", "avg_pool3d", "adaptive_avg_pool3d"), "Only images (N, C, H, W) can be described."),
    **dict.fromkeys(("linalg_vector_norm", "norm"), "Use nn.LayerNorm, which divides by the standard deviation."),
    **dict.fromkeys(("var", "var_mean", "std", "std_mean"), "Use nn.LayerNorm or nn.BatchNorm2d."),
    **dict.fromkeys(("scaled_dot_product_attention", "bmm", "baddbmm", "einsum"), "Attention cannot be described; convolutions can."),
    **dict.fromkeys(
        ("select", "index", "unbind", "index_select", "gather"), "A 1x1 convolution whose weights select channels says the same."
    ),
    **dict.fromkeys(("where", "masked_fill", "gt", "lt", "ge", "le"), "Use nn.ReLU or nn.LeakyReLU, where they say the same."),
    "stack": "Use torch.cat along the channels.",
    "repeat": "Use torch.cat of the same value along the channels.",
    **dict.fromkeys(
        ("bernoulli", "rand", "randn", "rand_like", "randn_like", "normal", "uniform"), "Use nn.Dropout, or leave the noise out."
    ),
    **dict.fromkeys(("empty", "empty_like", "new_empty"), "Noise such as that of stochastic depth cannot be described; nn.Dropout can."),
    "rms_norm": "Use nn.LayerNorm.",
    "embedding": "Only networks over images can be described.",
    "wrap_with_set_grad_enabled": "Take torch.no_grad() out of forward.",
    "wrap_with_autocast": "Take torch.autocast out of forward.",
    "glu": "Use two convolutions, one of them with nn.Sigmoid, and multiply.",
    "local_response_norm": "Use nn.BatchNorm2d.",
}
"""What would say nearly the same as a call that there is no word for."""


def base_name(target: Any) -> str:
    """Return the name of an operator without its variant and without the "_" of what works in place: "relu" of aten.relu_.default."""
    name = str((getattr(target, "_schema", None) and target._schema.name) or getattr(target, "__name__", target))
    plain = name.rpartition("::")[2]
    return plain.removesuffix("_") if not plain.endswith("__") else plain


def words(node: Node) -> list[Word] | Passed | tuple[list[Word], ...]:
    """Return the calls that an ATen call is, what it passes on, or the calls of each of its parts."""
    target = node.node.target
    base = base_name(target)
    ours = str(getattr(getattr(target, "_schema", None), "name", "")).startswith("aten::")
    rule = RULES.get(base) if ours else None
    return node.unknown(base, NEAREST.get(base)) if rule is None else rule(node)
