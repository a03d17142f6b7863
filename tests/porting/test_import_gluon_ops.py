"""Every operator of MXNet that has words, with its options: the words mean what MXNet computes, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer
from unicnn_mxnet.compat import mx

from .interpret import distance, interpret

nd, nn = mx.nd, mx.gluon.nn
IMAGE, ROW = (2, 4, 7, 6), (2, 5)
_RANDOM = np.random.default_rng(11)


def learned(*shape: int) -> Any:
    return nd.array(_RANDOM.normal(size=shape), dtype="float32")


def positive(*shape: int) -> Any:
    return nd.array(_RANDOM.uniform(0.5, 1.5, size=shape), dtype="float32")


def conv(**options: Any) -> Any:
    kernel = options.pop("kernel", (3, 2))
    weight, bias = learned(6, 4 // options.get("num_group", 1), *kernel), learned(6)
    if options.get("no_bias"):
        return lambda x: nd.Convolution(x, weight, kernel=kernel, num_filter=6, **options)
    return lambda x: nd.Convolution(x, weight, bias, kernel=kernel, num_filter=6, **options)


def deconv(**options: Any) -> Any:
    groups, kernel = options.get("num_group", 1), options.pop("kernel", (3, 4))
    weight, bias = learned(4, 6 // groups, *kernel), learned(6)
    if options.get("no_bias", True):
        return lambda x: nd.Deconvolution(x, weight, kernel=kernel, num_filter=6, **options)
    return lambda x: nd.Deconvolution(x, weight, bias, kernel=kernel, num_filter=6, **options)


def pool(**options: Any) -> Any:
    return lambda x: nd.Pooling(x, **options)


def norm(channels: int = 4, **options: Any) -> Any:
    scale, shift, mean, var = learned(channels), learned(channels), learned(channels), positive(channels)
    return lambda x: nd.BatchNorm(x, scale, shift, mean, var, **options)


def dense(inner: int, **options: Any) -> Any:
    weight, bias = learned(3, inner), learned(3)
    if options.get("no_bias"):
        return lambda x: nd.FullyConnected(x, weight, num_hidden=3, **options)
    return lambda x: nd.FullyConnected(x, weight, bias, num_hidden=3, **options)


def layer(block: Any) -> Any:
    block.initialize(mx.init.Normal(0.5))
    return block


W, V, CHANNEL = learned(5, 3), learned(3, 5), learned(1, 4, 1, 1)
LAST_SCALE, LAST_SHIFT = learned(6), learned(6)

CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "a convolution": (conv(), IMAGE),
    "a convolution without bias": (conv(no_bias=True), IMAGE),
    "a convolution with stride, padding and dilation": (conv(stride=(2, 1), pad=(2, 1), dilate=(1, 2)), IMAGE),
    "a convolution in groups": (conv(num_group=2), IMAGE),
    "a transposed convolution": (deconv(), IMAGE),
    "a transposed convolution with stride, padding, adj and a bias": (deconv(stride=(2, 3), pad=(1, 2), adj=(1, 2), no_bias=False), IMAGE),
    "a transposed convolution with more after than is cut": (deconv(stride=(2, 2), adj=(1, 1)), IMAGE),
    "a transposed convolution in groups, dilated": (deconv(num_group=2, dilate=(2, 1)), IMAGE),
    "a fully connected layer": (dense(5), ROW),
    "a fully connected layer without bias": (dense(5, no_bias=True), ROW),
    "a fully connected layer that flattens": (dense(168), IMAGE),
    "a fully connected layer on the last axis": (dense(6, flatten=False), IMAGE),
    "dot": (lambda x: nd.dot(x, W), ROW),
    "dot with the second turned": (lambda x: nd.dot(x, V, transpose_b=True), ROW),
    "gemm2": (lambda x: nd.linalg.gemm2(x, W), ROW),
    "max pooling of stride 1": (pool(kernel=(2, 3)), IMAGE),
    "max pooling with stride and padding": (pool(kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"), IMAGE),
    "max pooling that rounds up": (pool(kernel=(2, 3), stride=(3, 2), pooling_convention="full"), IMAGE),
    "average pooling": (pool(kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type="avg"), IMAGE),
    "average pooling that leaves padding out": (pool(kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False), IMAGE),
    "average pooling that rounds up": (pool(kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", pooling_convention="full"), IMAGE),
    "average pooling that rounds up and leaves padding out": (
        pool(kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", pooling_convention="full", count_include_pad=False), IMAGE,
    ),
    "global average pooling": (pool(global_pool=True, pool_type="avg"), IMAGE),
    "global max pooling": (pool(global_pool=True, pool_type="max"), IMAGE),
    "pooling with channels last": (pool(kernel=(2, 2), stride=(2, 2), pool_type="max", layout="NHWC"), IMAGE),
    "adaptive average pooling": (lambda x: nd.contrib.AdaptiveAvgPooling2D(x, output_size=(3, 2)), IMAGE),
    "adaptive average pooling to one": (lambda x: nd.contrib.AdaptiveAvgPooling2D(x), IMAGE),
    "batch norm with the defaults of mx.nd": (norm(), IMAGE),
    "batch norm with a learned scale": (norm(fix_gamma=False, eps=1e-5, momentum=0.8), IMAGE),
    "batch norm along the last axis": (norm(6, fix_gamma=False, axis=-1), IMAGE),
    "batch norm of vectors": (norm(5, fix_gamma=False), ROW),
    "batch norm with given statistics": (norm(fix_gamma=False, use_global_stats=True), IMAGE),
    "layer norm": (lambda x: nd.LayerNorm(x, LAST_SCALE, LAST_SHIFT, eps=1e-3), IMAGE),
    "dropout": (lambda x: nd.Dropout(x, p=0.3), IMAGE),
    **{f"Activation({kind})": (lambda x, kind=kind: nd.Activation(x, act_type=kind), ROW) for kind in ("relu", "sigmoid", "tanh")},
    **{kind: (lambda x, kind=kind: getattr(nd, kind)(x), ROW) for kind in ("relu", "sigmoid", "tanh", "exp", "abs", "square", "negative")},
    **{kind: (lambda x, kind=kind: getattr(nd, kind)(x * x + 1), ROW) for kind in ("log", "sqrt", "rsqrt", "reciprocal")},
    "LeakyReLU of mx.nd": (lambda x: nd.LeakyReLU(x), ROW),
    "LeakyReLU(0.1)": (lambda x: nd.LeakyReLU(x, act_type="leaky", slope=0.1), ROW),
    "ELU of mx.nd": (lambda x: nd.LeakyReLU(x, act_type="elu", slope=0.7), ROW),
    "GELU": (lambda x: nd.LeakyReLU(x, act_type="gelu"), ROW),
    "SELU": (lambda x: nd.LeakyReLU(x, act_type="selu"), ROW),
    "hard sigmoid": (lambda x: nd.hard_sigmoid(x, alpha=0.3, beta=0.4), ROW),
    "clip": (lambda x: nd.clip(x, -0.3, 0.7), ROW),
    "softmax": (lambda x: nd.softmax(x), ROW),
    "softmax along channels": (lambda x: nd.softmax(x, axis=1), IMAGE),
    "softmax with a temperature": (lambda x: nd.softmax(x, temperature=2.5), ROW),
    "log softmax": (lambda x: nd.log_softmax(x, axis=1), IMAGE),
    "softmin": (lambda x: nd.softmin(x), ROW),
    "SoftmaxActivation": (lambda x: nd.SoftmaxActivation(x), ROW),
    "SoftmaxActivation of images": (lambda x: nd.SoftmaxActivation(x), IMAGE),
    "SoftmaxActivation of channels": (lambda x: nd.SoftmaxActivation(x, mode="channel"), IMAGE),
    **{
        f"reshape to {shape}": (lambda x, shape=shape: nd.reshape(x, shape=shape), IMAGE)
        for shape in ((2, -1), (0, -1), (0, 0, -3), (-2,), (0, -4, 2, 2, -2), (0, -4, -1, 2, 0, 0), (0, 2, -1, 6))
    },
    "reshape from the end": (lambda x: nd.reshape(x, shape=(-1, 0), reverse=True), IMAGE),
    "an array's reshape": (lambda x: x.reshape(2, -1), IMAGE),
    "flatten": (lambda x: x.flatten(), IMAGE),
    "expand_dims and squeeze": (lambda x: nd.squeeze(x.expand_dims(1), axis=1), IMAGE),
    "reshape_like": (lambda x: nd.reshape_like(nd.flatten(x), x), IMAGE),
    "transpose": (lambda x: x.transpose((0, 2, 3, 1)), IMAGE),
    "transpose of all axes": (lambda x: x.T, ROW),
    "swapaxes": (lambda x: nd.swapaxes(x, 1, 3), IMAGE),
    "concat": (lambda x: nd.concat(x, x * 2, dim=1), IMAGE),
    "stack": (lambda x: nd.stack(x, x * 2, axis=1), ROW),
    "pad": (lambda x: nd.pad(x, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 0, 3), constant_value=-0.7), IMAGE),
    "split": (lambda x: nd.split(x, 2, axis=1)[1], IMAGE),
    "split that drops the axis": (lambda x: nd.SliceChannel(x, num_outputs=4, axis=1, squeeze_axis=True)[2], IMAGE),
    "split_v2": (lambda x: nd.split_v2(x, (1, 3), axis=1)[1], IMAGE),
    "slice_axis": (lambda x: nd.slice_axis(x, axis=-1, begin=1, end=-1), IMAGE),
    "slice": (lambda x: nd.slice(x, begin=(None, 1, 2), end=(None, 3, None)), IMAGE),
    "slice_like": (lambda x: nd.slice_like(x, nd.zeros((1, 3, 2, 2)), axes=(1, 2)), IMAGE),
    "indexing by ranges": (lambda x: x[:, 1:3, ..., -2:], IMAGE),
    "indexing by whole numbers": (lambda x: x[:, -1], IMAGE),
    "indexing by None": (lambda x: x[:, None], ROW),
    "indexing by Ellipsis alone": (lambda x: x[...], ROW),
    "mean": (lambda x: nd.mean(x, axis=(2, 3)), IMAGE),
    "mean that keeps axes": (lambda x: x.mean(axis=-1, keepdims=True), IMAGE),
    "mean of all": (lambda x: nd.mean(x), IMAGE),
    "mean of all other axes": (lambda x: nd.mean(x, axis=(0, 1), exclude=True), IMAGE),
    "sum": (lambda x: nd.sum(x, axis=1), IMAGE),
    "max": (lambda x: nd.max(x, axis=(2, 3), keepdims=True), IMAGE),
    "min": (lambda x: nd.min(x, axis=1), IMAGE),
    "norm": (lambda x: nd.norm(x, axis=1), IMAGE),
    **{f"L2Normalization of the {mode}": (lambda x, mode=mode: nd.L2Normalization(x, mode=mode), IMAGE) for mode in ("instance", "channel", "spatial")},
    "x + 2": (lambda x: x + 2, ROW),
    "2 - x / 3": (lambda x: 2 - x / 3, ROW),
    "1 / (x² + 1)": (lambda x: 1 / (x**2 + 1), ROW),
    "x^0.5, x^-0.5, x^1 and x^-1": (lambda x: (x * x + 1) ** 0.5 + (x * x + 2) ** -0.5 + x**1 + (x * x + 2) ** -1, ROW),
    "arithmetic of values": (lambda x: (x + x * x - x / (x * x + 1)), ROW),
    "arithmetic of equal shapes": (lambda x: nd.elemwise_sub(nd.elemwise_mul(x, x), nd.elemwise_div(x, x * x + 1)), ROW),
    "arithmetic with a constant": (lambda x: nd.broadcast_add(x * CHANNEL, CHANNEL), IMAGE),
    "arithmetic in place": (lambda x: in_place(x), ROW),
    "maximum and minimum": (lambda x: nd.minimum(nd.maximum(x, 0.1), x * 0.3 + 1), ROW),
    "add_n": (lambda x: nd.add_n(x, x * 2, x * x), ROW),
    "a copy": (lambda x: nd.identity(x.copy()).astype("float32"), ROW),
    "an array written in code": (lambda x: x + nd.array(np.arange(5.0)) * nd.ones((1,)), ROW),
    "Swish of Gluon": (layer(nn.Swish()), ROW),
    "Swish(2) of Gluon": (layer(nn.Swish(2.0)), ROW),
    "ELU of Gluon": (layer(nn.ELU(0.6)), ROW),
    "SELU of Gluon": (layer(nn.SELU()), ROW),
    "GELU of Gluon": (layer(nn.GELU()), ROW),
    "LayerNorm of Gluon": (layer(nn.LayerNorm()), ROW),
    "BatchNorm of Gluon": (layer(nn.BatchNorm()), IMAGE),
    "BatchNorm of Gluon without scale and center": (layer(nn.BatchNorm(scale=False, center=False)), IMAGE),
    "BatchNormReLU of Gluon": (layer(nn.BatchNormReLU()), IMAGE),
    "Conv2DTranspose of Gluon": (layer(nn.Conv2DTranspose(3, 3, strides=2, padding=1, output_padding=1)), IMAGE),
    "AvgPool2D of Gluon": (layer(nn.AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=False)), IMAGE),
    "HybridLambda of Gluon": (layer(nn.HybridLambda("tanh")), ROW),
    "HybridConcurrent of Gluon": (layer(mx.gluon.contrib.nn.HybridConcurrent(axis=1)), IMAGE),
}  # fmt: skip
for block in (nn.Conv2D(2, 1), nn.MaxPool2D(1), mx.gluon.contrib.nn.Identity()):
    CASES["HybridConcurrent of Gluon"][0].add(layer(block))


def in_place(x: Any) -> Any:
    y = x * 2
    z = y * y
    y += x
    y[:] = y * 3
    y *= z
    return y


@pytest.mark.parametrize("case", CASES)
def test_the_words_mean_what_mxnet_computes(case: str) -> None:
    net, shape = CASES[case]
    recording = importer.record(net, (shape,))
    x = np.random.default_rng(5).normal(size=shape)
    values = interpret(recording.tape, [x])
    cotangents = [np.random.default_rng(6).normal(size=values[name].shape) for _, name in recording.tape.outputs]
    ran = recording.runner.run([x], cotangents, "float64")
    for call in recording.tape.calls:
        assert distance(ran.values[call.name], values[call.name]) < 1e-10, call
    name = recording.tape.outputs[0][1]
    assert distance(values[name], ran.outputs[0]) < 1e-10
    assert distance(values[name] * (1 + 1e-9), ran.outputs[0]) > 5e-10
    single = recording.runner.run([x], cotangents, "float32")
    assert distance(single.outputs[0].astype(float), ran.outputs[0]) < 2e-5


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_the_original_is_the_slope_of_the_tape(case: str) -> None:
    net, shape = CASES[case]
    recording = importer.record(net, (shape,))
    random = np.random.default_rng(8)
    x, direction = random.normal(size=shape), random.normal(size=shape)
    name, step = recording.tape.outputs[0][1], 1e-6
    ahead, behind = (interpret(recording.tape, [x + sign * step * direction])[name] for sign in (1, -1))
    cotangent = random.normal(size=ahead.shape)
    gradient = recording.runner.run([x], [cotangent], "float64").gradients["input"]
    slope = float(np.sum(cotangent * (ahead - behind)) / (2 * step))
    scale = float(np.sum(np.abs(gradient * direction)))
    assert abs(float(np.sum(gradient * direction)) - slope) < 1e-7 * max(scale, 1.0)
    assert abs(float(np.sum(gradient * direction * 1.001)) - slope) > 1e-7 * max(abs(slope), 1e-6) or abs(slope) < 1e-3


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_batch_norm_and_dropout_are_on_both_tapes(training: bool) -> None:
    net = nn.HybridSequential()
    net.add(nn.BatchNorm(momentum=0.7), nn.Dropout(0.25))
    net.initialize()
    tape = importer.record(net, (IMAGE,), training=training).tape
    assert [(call.op, call.path, call.own) for call in tape.calls] == [("batch_norm", "0", True), ("dropout", "1", True)]
    assert dict(tape.calls[0].attributes) == {"eps": 1e-5, "keep": 0.7, "unbiased": False, "axis": 1}
    assert {name: constant.trainable for name, constant in tape.constants.items()} == {
        "0.gamma": True, "0.beta": True, "0.running_mean": False, "0.running_var": False,
    }  # fmt: skip


def test_a_fixed_gamma_is_no_scale_whatever_it_holds() -> None:
    tape = importer.record(norm(), (IMAGE,)).tape
    assert tape.calls[0].inputs[1] is None
    assert tape.calls[0].attributes["eps"] == 1e-3


def test_a_batch_norm_that_keeps_its_statistics_in_training_is_another_network_there() -> None:
    def ops(training: bool) -> list[str]:
        return [call.op for call in importer.record(norm(fix_gamma=False, use_global_stats=True), (IMAGE,), training=training).tape.calls]

    assert ops(training=False) == ["batch_norm"]
    assert ops(training=True) == ["BatchNorm(use_global_stats=True)"]


@pytest.mark.parametrize("target", [(14, 13), (15, 14), (13, 11)], ids=["cut by one", "not cut", "cut by two and three"])
def test_a_target_shape_of_a_transposed_convolution_says_what_is_cut(target: tuple[int, int]) -> None:
    weight = learned(4, 6, 3, 4).astype("float64")  # in float32 MXNet itself fails on a CPU

    def net(x: Any) -> Any:
        return nd.Deconvolution(x, weight, kernel=(3, 4), num_filter=6, stride=(2, 2), target_shape=target)

    recording = importer.record(net, (IMAGE,))
    x = np.random.default_rng(1).normal(size=IMAGE)
    values = interpret(recording.tape, [x])
    ran = recording.runner.run([x], [np.ones((2, 6, *target))], "float64")
    assert ran.outputs[0].shape == (2, 6, *target)
    assert distance(values[recording.tape.outputs[0][1]], ran.outputs[0]) < 1e-10
    assert distance(values[recording.tape.outputs[0][1]][:, :, ::-1], ran.outputs[0]) > 0.1


def test_an_operator_that_fails_later_fails_while_the_network_is_read() -> None:
    weight = learned(6, 3, 2, 6)
    with pytest.raises(mx.MXNetError):
        importer.record(lambda x: nd.Convolution(x, weight, kernel=(3, 2), num_filter=6, no_bias=True, layout="NHWC"), (IMAGE,))
    assert importer.record(lambda x: nd.relu(x), (IMAGE,)).tape.calls[0].op == "relu"
