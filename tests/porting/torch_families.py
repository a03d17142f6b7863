"""Families of PyTorch calls: each a network of which every case is an output, so that one import serves many tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

Case: TypeAlias = Any
"""A module, or a function (network, x)."""
SHAPE = (2, 4, 9, 8)


class Each(nn.Module):
    """Apply each of several cases, modules or functions (network, x), to one input; return the results by name."""

    def __init__(self, cases: Mapping[str, Case], **held: torch.Tensor) -> None:
        super().__init__()
        self.cases = dict(cases)
        for name, value in held.items():
            (self.register_parameter if isinstance(value, nn.Parameter) else self.register_buffer)(name, value)
        for place, case in enumerate(cases.values()):
            if isinstance(case, nn.Module):
                self.add_module(f"case{place}", case)

    def forward(self, x):
        return {name: case(x) if isinstance(case, nn.Module) else case(self, x) for name, case in self.cases.items()}


class Does(nn.Module):
    """Be one function (network, x) as a network that holds arrays and modules."""

    def __init__(self, function: Callable[..., Any], /, **held: Any) -> None:
        super().__init__()
        self.function = function
        for name, value in held.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *x):
        return self.function(self, *x)


def scrambled(net: nn.Module, seed: int = 5) -> nn.Module:
    """Return a network with weights and running statistics that no default hides: none is 0 or 1, no two are equal."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) / max(parameter[0].numel(), 1) ** 0.5)
        for name, buffer in net.named_buffers():
            if "running" in name and buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=random) + 0.5)
    return net


def held(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, math.prod(shape) + 1).reshape(shape) / 7


def learned(*shape: int) -> nn.Parameter:
    return nn.Parameter(held(*shape))


CONVOLUTIONS: dict[str, Case] = {
    "a plain convolution": nn.Conv2d(4, 6, 3),
    "two strides and paddings": nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)),
    "padding same with an even kernel": nn.Conv2d(4, 6, 2, padding="same"),
    "padding same with dilation": nn.Conv2d(4, 6, (4, 3), padding="same", dilation=(1, 2)),
    "padding valid": nn.Conv2d(4, 6, 3, padding="valid", stride=2),
    "groups and dilation": nn.Conv2d(4, 6, 3, dilation=2, groups=2),
    "depthwise without a bias": nn.Conv2d(4, 8, 3, groups=4, bias=False),
    "a function without a bias": lambda net, x: F.conv2d(x, net.kernel, stride=2),
    "a kernel turned": lambda net, x: F.conv2d(x, net.turned.transpose(0, 1), padding=1),
    "a kernel cut": lambda net, x: F.conv2d(x, net.cut[:2]),
    "a bias added": lambda net, x: F.conv2d(x, net.other) + net.bias.view(1, -1, 1, 1),
}
CONVOLUTION_ARRAYS = {
    "kernel": learned(3, 4, 2, 2),
    "turned": learned(4, 5, 3, 3),
    "cut": learned(5, 4, 3, 3),
    "other": learned(3, 4, 1, 1),
    "bias": learned(3),
}
TRANSPOSED: dict[str, Case] = {
    "a plain transposed convolution": nn.ConvTranspose2d(4, 6, 3),
    "a stride": nn.ConvTranspose2d(4, 6, 3, stride=2),
    "an output padding below the padding": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
    "an output padding above the padding": nn.ConvTranspose2d(
        4, 6, 3, stride=(3, 2), padding=(0, 1), output_padding=(2, 0), dilation=(1, 2)
    ),
    "groups without a bias": nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False, stride=2, padding=1),
}
POOLING: dict[str, Case] = {
    "a largest value": nn.MaxPool2d(3),
    "a largest value, stride 1": nn.MaxPool2d(3, stride=1),
    "a largest value, padded": nn.MaxPool2d(3, stride=2, padding=1),
    "a largest value, ceil": nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "a largest value, ceil and padded": nn.MaxPool2d((2, 3), stride=2, padding=1, ceil_mode=True),
    "a largest value, its places left": lambda net, x: F.max_pool2d(x, 2, return_indices=True)[0],
    "a mean": nn.AvgPool2d(3),
    "a mean, padded": nn.AvgPool2d(3, stride=2, padding=1),
    "a mean, padding not counted": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "a mean, ceil": nn.AvgPool2d((3, 2), stride=2, padding=1, ceil_mode=True),
    "a mean, ceil, padding not counted": nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    "an adaptive mean": nn.AdaptiveAvgPool2d((4, 3)),
    "an adaptive mean of all rows": nn.AdaptiveAvgPool2d((None, 3)),
    "an adaptive mean of everything": nn.AdaptiveAvgPool2d(1),
    "an adaptive maximum": nn.AdaptiveMaxPool2d((3, 4)),
    "an adaptive maximum of everything": nn.AdaptiveMaxPool2d(1),
    "a border of zeros before a mean": lambda net, x: F.avg_pool2d(F.pad(x, (1, 0, 0, 1)), 3),
    "a border of zeros before a maximum": lambda net, x: F.max_pool2d(F.pad(x - 3, (1, 1, 1, 1)), 3),
    "a border of zeros between a relu and a maximum": lambda net, x: F.max_pool2d(F.pad(F.relu(x), (1, 1, 1, 1)), 3),
}
ACTIVATIONS: dict[str, Case] = {
    "ReLU": nn.ReLU(),
    "ReLU6": nn.ReLU6(),
    "LeakyReLU": nn.LeakyReLU(0.2),
    "ELU": nn.ELU(0.7),
    "CELU(1)": nn.CELU(),
    "Sigmoid": nn.Sigmoid(),
    "Tanh": nn.Tanh(),
    "SiLU": nn.SiLU(),
    "GELU": nn.GELU(),
    "GELU by tanh": nn.GELU("tanh"),
    "Hardswish": nn.Hardswish(),
    "Hardtanh(0, 6)": nn.Hardtanh(0.0, 6.0),
    "Hardtanh(0, 1)": nn.Hardtanh(0.0, 1.0),
    "Threshold(0, 0)": nn.Threshold(0.0, 0.0),
    "Softmax": nn.Softmax(1),
    "Softmax over the last axis": nn.Softmax(-1),
    "Softmax2d": nn.Softmax2d(),
    "LogSoftmax": nn.LogSoftmax(dim=-3),
    "Softmin": nn.Softmin(1),
    "Tanhshrink": nn.Tanhshrink(),
    "max(x, 0)": lambda net, x: torch.maximum(x, torch.tensor(0.0)),
    "max(zeros, x)": lambda net, x: torch.max(torch.zeros_like(x), x),
    "clamp(min=0)": lambda net, x: x.clamp(min=0),
    "clamp(0, 6)": lambda net, x: torch.clamp(x, 0, 6),
    "max(x, x / 10)": lambda net, x: torch.maximum(x, 0.1 * x),
    "max(x, -x)": lambda net, x: torch.maximum(x, x * -1.0),
    "GELU by hand": lambda net, x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "GELU by tanh by hand": lambda net, x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "swish by hand": lambda net, x: x * torch.sigmoid(x),
    "hard swish by hand": lambda net, x: x * F.relu6(x + 3) / 6,
    "hard swish by hand, 1/6 rounded": lambda net, x: x * F.relu6(x + 3) * 0.1666667,
    "hard sigmoid by hand": lambda net, x: F.relu6(x + 3) / 6,
    "log softmax by hand": lambda net, x: torch.log(F.softmax(x, 1)),
}
NORMS: dict[str, Case] = {
    "BatchNorm2d": nn.BatchNorm2d(4),
    "BatchNorm2d with other numbers": nn.BatchNorm2d(4, eps=1e-2, momentum=0.3),
    "BatchNorm2d without scale and shift": nn.BatchNorm2d(4, affine=False),
    "SyncBatchNorm": nn.SyncBatchNorm(4, eps=3e-2),
    "LayerNorm over columns": nn.LayerNorm(8),
    "LayerNorm over an image": nn.LayerNorm((9, 8), eps=1e-2),
    "LayerNorm over everything": nn.LayerNorm((4, 9, 8), eps=1e-1),
    "LayerNorm without a shift": nn.LayerNorm((9, 8), bias=False),
    "LayerNorm without either": nn.LayerNorm((9, 8), elementwise_affine=False),
    "a function with running statistics": lambda net, x: F.batch_norm(x, net.mean, net.var, training=net.training, eps=0.1),
    "LayerNorm over channels": lambda net, x: F.layer_norm(x.permute(0, 2, 3, 1), (4,), net.scale, net.shift).permute(0, 3, 1, 2),
}
NORM_ARRAYS = {"mean": held(4), "var": held(4) + 1, "scale": learned(4), "shift": learned(4)}
MOVES: dict[str, Case] = {
    "Flatten": nn.Flatten(),
    "Flatten(2)": nn.Flatten(2),
    "Flatten(1, 2)": nn.Flatten(1, 2),
    "Flatten(1, -2)": nn.Flatten(1, -2),
    "Unflatten": nn.Unflatten(1, (2, 2)),
    "view(-1, 288)": lambda net, x: x.view(-1, 288),
    "view(len(x), -1)": lambda net, x: x.view(len(x), -1),
    "reshape to other images": lambda net, x: x.reshape(-1, 2, 12, 12),
    "unsqueeze": lambda net, x: x.unsqueeze(1),
    "unsqueeze from the back": lambda net, x: x.unsqueeze(-1),
    "squeeze of one pixel": lambda net, x: F.adaptive_avg_pool2d(x, 1).squeeze(),
    "squeeze axis by axis": lambda net, x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    "permute": lambda net, x: x.permute(0, 2, 3, 1),
    "transpose from the back": lambda net, x: x.transpose(-1, -3),
    "swapaxes": lambda net, x: x.swapaxes(2, 3),
    "movedim of two": lambda net, x: x.movedim((1, 2), (2, 3)),
    "mT": lambda net, x: x.mT,
    "a shuffle of channels": lambda net, x: x.view(-1, 2, 2, 9, 8).transpose(1, 2).reshape(-1, 4, 9, 8),
    "ZeroPad2d": nn.ZeroPad2d((1, 2, 0, 3)),
    "ConstantPad2d": nn.ConstantPad2d(1, 0.5),
    "pad of nothing": lambda net, x: F.pad(x, (0, 0, 0, 0)) * 3,
    "cat": lambda net, x: torch.cat([x, torch.relu(x)], 1),
    "cat from the back": lambda net, x: torch.cat([x, torch.relu(x)], -1),
    "cat of one": lambda net, x: torch.cat([torch.sigmoid(x)], 1),
    "cat of three axes": lambda net, x: torch.cat([x.flatten(2), torch.relu(x).flatten(2)], 1),
    "slice of the whole": lambda net, x: torch.tanh(x[:, -100:, 0:]),
    "split into one": lambda net, x: x.split(4, 1)[0] * 2,
    "chunk into one": lambda net, x: x.chunk(1, 1)[0] * 5,
    "contiguous, clone, to": lambda net, x: x.contiguous().clone().to(torch.float32) * 7,
}
ARITHMETIC: dict[str, Case] = {
    "x + 1.0": lambda net, x: x + 1.0,
    "2 * x": lambda net, x: 2 * x,
    "x / 255": lambda net, x: x / 255,
    "1 - x": lambda net, x: 1 - x,
    "-x": lambda net, x: -x,
    "rsub with alpha": lambda net, x: torch.rsub(x, 1.0, alpha=3),
    "sub with alpha": lambda net, x: torch.sub(x, 3.0, alpha=2),
    "add of two with alpha": lambda net, x: torch.add(x, torch.relu(x), alpha=0.5),
    "x - relu(x)": lambda net, x: x - torch.relu(x),
    "x * x": lambda net, x: x * x,
    "x ** 2": lambda net, x: 3 * x**2,
    "square": lambda net, x: 5 * x.square(),
    "x - a buffer": lambda net, x: x - net.mean,
    "a buffer called as the call before": lambda net, x: x.mean((2, 3), keepdim=True) * net.mean,
    "a parameter called as a call": lambda net, x: torch.relu(x) * net.relu + torch.relu(x),
    "normalised input": lambda net, x: (x - net.mean) / net.std,
    "a chain of constants": lambda net, x: ((x * 2 + 1) * net.std - 0.5) / 3,
    "a chain read in the middle": lambda net, x: (lambda y: y * 2 + y)(x * 3),
    "batch norm by hand": lambda net, x: (x - net.mean) / torch.sqrt(net.std + 1e-5) * net.mean + net.std,
    "an array made in code": lambda net, x: x * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1),
    "a number made in code": lambda net, x: x * torch.tensor(0.1),
    "a divided number of pixels": lambda net, x: x / (x.shape[2] * x.shape[3]),
    "a + b + c": lambda net, x: torch.relu(x) + torch.tanh(x) + x,
    "a + (b + c)": lambda net, x: torch.relu(x) + (torch.sigmoid(x) + x),
    "a smaller value repeated": lambda net, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "a smaller value expanded": lambda net, x: x * torch.tanh(x.mean((2, 3), keepdim=True)).expand_as(x),
    "a vector scaled and shifted": lambda net, x: x.flatten(1) * 0.5 + 0.25,
}
ARITHMETIC_ARRAYS = {"mean": held(4, 1, 1), "std": held(1, 4, 1, 1) + 1, "relu": learned(4, 1, 1)}
REDUCTIONS: dict[str, Case] = {
    "mean": lambda net, x: x.mean((2, 3)),
    "mean from the back": lambda net, x: x.mean([-1, -2]) * 2,
    "mean that keeps axes": lambda net, x: x.mean((2, 3), keepdim=True),
    "mean axis by axis": lambda net, x: x.mean(3).mean(2) * 3,
    "mean axis by axis from the front": lambda net, x: x.mean(2).mean(2) * 4,
    "mean axis by axis that keeps axes": lambda net, x: x.mean(2, keepdim=True).mean(3, keepdim=True) * 2,
    "mean of flattened pixels": lambda net, x: x.flatten(2).mean(2) * 5,
    "sum divided": lambda net, x: x.sum((2, 3)) / 72 * 6,
    "amax": lambda net, x: x.amax((2, 3)),
    "max axis by axis": lambda net, x: x.max(3)[0].max(2)[0] * 2,
    "max of flattened pixels": lambda net, x: x.flatten(2).max(-1).values * 3,
    "mean of channels last": lambda net, x: x.permute(0, 2, 3, 1).mean((1, 2)) * 7,
}
PRODUCTS: dict[str, Case] = {
    "Linear of a vector": nn.Sequential(nn.Flatten(), nn.Linear(288, 3)),
    "Linear without a bias": nn.Sequential(nn.Flatten(), nn.Linear(288, 3, bias=False)),
    "Linear of an image's columns": nn.Linear(8, 3),
    "matmul and a bias": lambda net, x: x.flatten(1) @ net.inner + net.bias,
    "matmul with a turned matrix": lambda net, x: x.flatten(1) @ net.outer.T,
    "mm": lambda net, x: torch.mm(x.flatten(1), net.turned.t()),
    "addmm": lambda net, x: torch.addmm(net.added, x.flatten(1), net.factor),
    "Linear of channels": lambda net, x: F.linear(x.movedim(1, -1), net.channels).movedim(-1, 1),
    "Linear of channels last, flattened": lambda net, x: F.linear(x.permute(0, 2, 3, 1).flatten(1), net.last),
    "Linear of pooled channels last": lambda net, x: F.linear(x.permute(0, 2, 3, 1).mean((1, 2)), net.pooled),
}
PRODUCT_ARRAYS = {
    "inner": learned(288, 5),
    "bias": learned(5),
    "outer": learned(4, 288),
    "turned": learned(6, 288),
    "added": learned(2),
    "factor": learned(288, 2),
    "channels": learned(3, 4),
    "last": learned(7, 288),
    "pooled": learned(7, 4),
}
FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: Each(CONVOLUTIONS, **CONVOLUTION_ARRAYS),
    "transposed convolution": lambda: Each(TRANSPOSED),
    "pooling": lambda: Each(POOLING),
    "activation": lambda: Each(ACTIVATIONS),
    "norm": lambda: Each(NORMS, **NORM_ARRAYS),
    "move": lambda: Each(MOVES),
    "arithmetic": lambda: Each(ARITHMETIC, **ARITHMETIC_ARRAYS),
    "reduction": lambda: Each(REDUCTIONS),
    "product": lambda: Each(PRODUCTS, **PRODUCT_ARRAYS),
}
CASES = {
    "convolution": CONVOLUTIONS,
    "transposed convolution": TRANSPOSED,
    "pooling": POOLING,
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "move": MOVES,
    "arithmetic": ARITHMETIC,
    "reduction": REDUCTIONS,
    "product": PRODUCTS,
}
