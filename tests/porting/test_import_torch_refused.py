"""What has no word is refused, and the message names the call, the module, the line and something that would work."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .torch_families import Does, F, held, learned, nn, torch

SHAPE = (2, 4, 8, 8)


def refused(net: nn.Module, *words: str, shape: Any = SHAPE, training: bool = True) -> str:
    with pytest.raises(PortError) as caught:
        from_framework(net, shape, training=training)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "padding with a mirror": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), ("mode='reflect'", "nn.ZeroPad2d")),
    "a border that cuts": (lambda: nn.ZeroPad2d(-1), ("pads by", "not by less than 0")),
    "pooling with gaps": (lambda: nn.MaxPool2d(3, dilation=2), ("max_pool2d with dilation",)),
    "a divisor": (lambda: nn.AvgPool2d(3, divisor_override=2), ("divisor_override",)),
    "windows of several sizes": (lambda: nn.AdaptiveMaxPool2d(7), ("several sizes", "nn.MaxPool2d")),
    "a learned slope": (nn.PReLU, ("prelu", "nn.LeakyReLU")),
    "SELU": (nn.SELU, ("selu", "nn.ELU")),
    "CELU": (lambda: nn.CELU(0.5), ("celu", "nn.ELU")),
    "a threshold": (lambda: nn.Threshold(1, 0), ("threshold", "nn.ReLU")),
    "Hardtanh": (nn.Hardtanh, ("clip",)),
    "GLU": (lambda: nn.GLU(1), ("glu",)),
    "a softmax over the batch": (lambda: nn.Softmax(0), ("softmax", "axis 0")),
    "statistics of the batch in inference": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        ("running statistics", "track_running_stats=True"),
    ),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), ("group_norm", "nn.BatchNorm2d")),
    "InstanceNorm": (lambda: nn.InstanceNorm2d(4), ("instance_norm",)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), ("pad",)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), ("upsample_nearest2d", "nn.ConvTranspose2d")),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), ("pixel_shuffle",)),
    "weights that are not there": (lambda: nn.LazyConv2d(4, 3), ("LazyConv2d", "no weights yet", "Run the network once")),
    "flattened batches": (lambda: nn.Flatten(0, 1), ("samples of a batch",)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_without_a_word_is_refused_under_its_name(name: str) -> None:
    build, words = LAYERS[name]
    message = refused(Does(lambda net, x: net.part(x), part=build()), *words)
    assert "part" in message or "weights" in message


GLUE: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "dropout that never stops": (lambda net, x: F.dropout(x), ("dropout in inference", "training=self.training")),
    "dropout that is switched off": (lambda net, x: F.dropout(x, training=False), ("in training than in inference",)),
    "statistics of the batch": (lambda net, x: F.batch_norm(x, net.mean, net.var, training=True), ("batch's statistics in inference",)),
    "running statistics in training": (lambda net, x: F.batch_norm(x, net.mean, net.var), ("running statistics in training",)),
    "a chunk": (lambda net, x: torch.cat(x.chunk(2, 1)[::-1], 1), ("split", "2 of the 4 along axis 1", "1x1 convolution")),
    "a channel": (lambda net, x: x[:, 0], ("select",)),
    "a slice with a step": (lambda net, x: x[:, :, ::2], ("slice with a step",)),
    "a sample": (lambda net, x: x[0], ("select",)),
    "a concatenation of batches": (lambda net, x: torch.cat([x, x]), ("joins along the batch",)),
    "a view that mixes samples": (lambda net, x: x.view(-1, 128), ("samples of a batch",)),
    "the size of the batch in a view": (lambda net, x: x.view(2, -1), ("batch of 2", "one of 3")),
    "the size of the batch as a number": (lambda net, x: x / len(x), ("batch of 2", "every sample alike")),
    "a mean over the batch": (lambda net, x: x - x.mean(0, keepdim=True), ("reduces the axes (0,)",)),
    "a transposed batch": (lambda net, x: x.transpose(0, 1), ("move the batch",)),
    "a cube": (lambda net, x: x**3, ("power",)),
    "a quotient of values": (lambda net, x: x / (torch.relu(x) + 1), ("divided by another",)),
    "a rounded quotient": (lambda net, x: torch.div(x, 2, rounding_mode="floor"), ("rounding_mode='floor'",)),
    "a slope above 1": (lambda net, x: torch.maximum(x, 2 * x), ("maximum",)),
    "a norm": (lambda net, x: F.normalize(x), ("linalg_vector_norm", "nn.LayerNorm")),
    "a constant that makes a value larger": (lambda net, x: F.conv2d(x, net.kernel[:1]) * net.mean.view(4, 1, 1), ("mul", "4x8x8")),
    "a constant for each pixel": (lambda net, x: x + net.image, ("one number for each channel",)),
    "addmm with a factor": (lambda net, x: torch.addmm(net.bias, x.flatten(1), net.matrix, beta=2), ("addmm with factors",)),
    "a change of a view": (lambda net, x: _changed(torch.relu(x)), ("in place", "other views")),
    "a change of what a view was taken of": (lambda net, x: _changed_after(torch.sigmoid(x)), ("in place", "other views")),
    "a change of a buffer": (lambda net, x: x * net.mean.add_(1.0).view(1, 4, 1, 1), ("add_", "keeps nothing but running statistics")),
    "a choice by values": (lambda net, x: x if x.sum() > 0 else -x, ("decides by the values",)),
    "a number read from a value": (lambda net, x: x * x.max().item(), ("max over everything",)),
    "where": (lambda net, x: torch.where(x > 0, x, 0.1 * x), ("gt", "nn.LeakyReLU")),
    "noise": (lambda net, x: x + torch.randn_like(x), ("randn_like",)),
    "an index": (lambda net, x: x.argmax(1), ("argmax",)),
    "another precision": (lambda net, x: x.double(), ("giving float64", "one precision")),
    "a softmax in another precision": (lambda net, x: F.softmax(x, 1, dtype=torch.float64), ("giving float64",)),
    "a gradient that is stopped": (lambda net, x: torch.relu(x).detach() + x, ("detach",)),
    "no_grad in forward": (lambda net, x: _without_gradient(x), ("wrap_with_set_grad_enabled", "Take torch.no_grad() out")),
    "a result that is no function of the input": (lambda net, x: net.mean, ("does not depend on any input",)),
    "two slices of one parameter": (
        lambda net, x: F.conv2d(x, net.kernel[:2]) * F.conv2d(x, net.kernel[2:]),
        ("kernel", "do not share weights"),
    ),
    "a parameter used twice": (lambda net, x: F.conv2d(F.conv2d(x, net.kernel), net.kernel * 2), ("kernel", "do not share weights")),
}
ARRAYS = {
    "mean": held(4), "var": held(4) + 1, "image": learned(4, 8, 8), "bias": learned(3), "matrix": learned(256, 3), "kernel": learned(4, 4, 1, 1),
}  # fmt: skip


def _changed(x: Any) -> Any:
    x[:, 0] = 0.0
    return x


def _changed_after(x: Any) -> Any:
    flat = x.flatten(1)
    x.mul_(2)
    return flat


@torch.no_grad()
def _without_gradient(x: Any) -> Any:
    return torch.relu(x)


@pytest.mark.parametrize("name", GLUE)
def test_a_call_without_a_word_is_refused_under_its_name(name: str) -> None:
    function, words = GLUE[name]
    refused(Does(function, **ARRAYS), *words)


def test_the_line_of_the_user_is_named() -> None:
    class Net(nn.Module):
        def forward(self, x):
            y = torch.relu(x)
            return torch.cumsum(y, 1)

    assert "return torch.cumsum(y, 1)" in refused(Net(), "torch.cumsum", "test_import_torch_refused.py")


TRAINING: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "a mean over all batches": (lambda: nn.BatchNorm2d(4, momentum=None), ("part", "momentum=None")),
    "dropout of channels": (lambda: nn.Dropout2d(), ("dropout of whole channels", "nn.Dropout")),
    "alpha dropout": (lambda: nn.AlphaDropout(), ("alpha dropout",)),
    "a frozen layer": (lambda: Frozen(4), ("running statistics in training",)),
    "a weight that is computed": (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), ("part.weight is computed from",)),
    "one number for all channels": (
        lambda: Does(lambda net, x: x * net.a, a=nn.Parameter(torch.tensor(0.7))),
        ("is computed from part.a",),
    ),
}


class Frozen(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(False)


@pytest.mark.parametrize("name", TRAINING)
def test_what_only_training_does_can_be_left_out(name: str) -> None:
    build, words = TRAINING[name]
    net = Does(lambda net, x: net.part(x), part=build())
    refused(net, *words, "training=False")
    assert from_framework(net, SHAPE, training=False).training is False


def test_a_module_used_twice_is_refused_by_name_if_it_has_weights() -> None:
    refused(Does(lambda net, x: net.conv(net.conv(x)), conv=nn.Conv2d(4, 4, 1)), "conv.weight", "do not share weights")
    norm = nn.BatchNorm2d(4, affine=False)
    refused(Does(lambda net, x: net.norm(torch.relu(net.norm(x))), norm=norm), "norm.running_mean", "do not share weights")


def test_a_parameter_of_two_modules_is_refused_by_name() -> None:
    net = Does(lambda net, x: net.second(net.first(x)), first=nn.Conv2d(4, 4, 1), second=nn.Conv2d(4, 4, 1))
    net.second.weight = net.first.weight
    refused(net, "first.weight", "first and by second")


def test_a_compiled_script_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.jit.script(nn.Conv2d(4, 4, 1))
    refused(net, "ScriptModule", "Pass the module")
