"""Networks of Gluon and of mx.nd are read as what they are: tutorials, blocks of every kind, and networks of the zoo."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer
from unicnn_mxnet.compat import mx

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .interpret import distance, interpret
from .proving import distances, worst
from .zoo_gluon import build, ready, size_of

autograd, gluon, nd, nn = mx.autograd, mx.gluon, mx.nd, mx.gluon.nn
TOLERANCE = 1e-10


def kinds(model: un.Model) -> list[str]:
    return [type(layer.op).__name__ for layer in model.layers]


# The tutorials


def gluon_lenet() -> Any:
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(channels=20, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(channels=50, kernel_size=3, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dense(128, activation="relu"),
        nn.Dense(10),
    )
    return net


def numbers(*shape: int, scale: float = 0.01) -> Any:
    array = nd.random.normal(scale=scale, shape=shape)
    array.attach_grad()
    return array


mx.random.seed(3)
W1, b1 = numbers(20, 1, 5, 5), numbers(20)
W2, b2 = numbers(50, 20, 3, 3), numbers(50)
W3, b3 = numbers(1250, 128), numbers(128)
W4, b4 = numbers(128, 10), numbers(10)
params = [W1, b1, W2, b2, W3, b3, W4, b4]


def lenet(X: Any, verbose: bool = False) -> Any:  # noqa: N803 - as tutorials write it
    X = nd.transpose(X, (0, 3, 1, 2))  # noqa: N806
    h1_conv = nd.Convolution(data=X, weight=W1, bias=b1, kernel=W1.shape[2:], num_filter=W1.shape[0])
    h1 = nd.Pooling(data=nd.relu(h1_conv), pool_type="max", kernel=(2, 2), stride=(2, 2))
    h2_conv = nd.Convolution(data=h1, weight=W2, bias=b2, kernel=W2.shape[2:], num_filter=W2.shape[0])
    h2 = nd.flatten(nd.Pooling(data=nd.relu(h2_conv), pool_type="max", kernel=(2, 2), stride=(2, 2)))
    h3 = nd.relu(nd.dot(h2, W3) + b3)
    if verbose:
        print("1st dense:", h3.shape)
    return nd.dot(h3, W4) + b4


def test_the_gluon_tutorials_lenet_is_read() -> None:
    found = from_framework(ready(gluon_lenet(), 2, 1, 28, 28), (2, 1, 28, 28))
    assert kinds(found.model) == ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "ReLU", "Linear"]
    assert sum(array.size for array in found.weights.values()) == 170_988
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb=next(iter(found.weights))))[1] > 1e-8


def test_lenet_from_scratch_is_read_from_a_function_over_global_arrays() -> None:
    found = from_framework(lenet, (2, 28, 28, 1))
    assert {name: origin.constant for name, origin in found.origins.items()} == {
        "conv1.weight": "W1", "conv1.bias": "b1", "conv2.weight": "W2", "conv2.bias": "b2",
        "linear1.weight": "W3", "linear1.bias": "b3", "linear2.weight": "W4", "linear2.bias": "b4",
    }  # fmt: skip
    assert found.model.name == "lenet"
    assert kinds(found.model) == kinds(from_framework(ready(gluon_lenet(), 2, 1, 28, 28), (2, 1, 28, 28)).model)
    assert found.weights["linear1.weight"].shape == (128, 1250)
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb="linear2.bias"))[1] > 1e-8


def test_every_call_of_a_function_has_the_line_that_made_it() -> None:
    tape = importer.record(lenet, ((2, 28, 28, 1),)).tape
    lines = {call.op: call.where for call in tape.calls}
    assert all(where is not None and where.file == __file__ for where in lines.values())
    assert lines["transpose"].text == "X = nd.transpose(X, (0, 3, 1, 2))  # noqa: N806"
    assert lines["linear"].text == "return nd.dot(h3, W4) + b4"


# Blocks


class Residual(gluon.HybridBlock):
    def __init__(self, channels: int, project: bool, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.conv1 = nn.Conv2D(channels, 3, padding=1, strides=2 if project else 1)
            self.bn1 = nn.BatchNorm()
            self.conv2 = nn.Conv2D(channels, 3, padding=1)
            self.bn2 = nn.BatchNorm()
            self.shortcut = nn.Conv2D(channels, 1, strides=2) if project else None

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(gluon.HybridBlock):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.stem = nn.Conv2D(8, 3, padding=1)
            self.body = nn.HybridSequential()
            self.body.add(Residual(8, False), Residual(16, True))
            self.head = nn.Dense(5)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        x = self.body(self.stem(x))
        return self.head(F.mean(x, axis=(2, 3)))


class Imperative(gluon.Block):
    """Be a block whose forward no symbol could follow: it asks for shapes, indexes, and loops."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.convs = nn.Sequential()
            self.convs.add(nn.Conv2D(6, 3, activation="relu"), nn.Conv2D(6, 3))
            self.scale = self.params.get("scale", shape=(1, 6, 1, 1), init=mx.init.One())
            self.dense = nn.Dense(4)

    def forward(self, x: Any) -> Any:
        for conv in self.convs:
            x = conv(x)
        x = x * self.scale.data() + 0.5
        left, right = x[:, :3], x[:, 3:]
        x = nd.concat(nd.tanh(left), right.sigmoid(), dim=1)
        return self.dense(x.reshape((x.shape[0], -1)))


class Shared(gluon.HybridBlock):
    """Be a block that gives several outputs and takes two inputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.conv = nn.Conv2D(4, 3)
            self.slope = nn.LeakyReLU(0.1)

    def hybrid_forward(self, F: Any, left: Any, right: Any) -> Any:  # noqa: N803
        y = self.slope(self.conv(left)) + right
        return y, F.softmax(F.flatten(y))


def test_a_residual_network_has_the_names_of_its_attributes() -> None:
    found = from_framework(ready(ResNet(), 2, 3, 12, 12), (2, 3, 12, 12))
    names = [layer.name for layer in found.model.layers]
    assert names[:7] == ["stem", "body.0.conv1", "body.0.bn1", "body.0.relu1", "body.0.conv2", "body.0.bn2", "body.0.add"]
    assert found.classes["body.1"] == "Residual"
    assert found.origins["body.1.bn2.var"].constant == "body.1.bn2.running_var"
    assert worst(distances(found))[1] < TOLERANCE
    assert worst(distances(found, perturb="body.1.bn2.var"))[1] > 1e-8


def test_glue_has_the_line_in_the_users_forward() -> None:
    tape = importer.record(ready(ResNet(), 2, 3, 12, 12), ((2, 3, 12, 12),)).tape
    add = next(call for call in tape.calls if call.op == "add")
    assert (add.path, add.own) == ("body.0", False)
    assert add.where is not None
    assert add.where.text == "return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))"


def test_a_block_of_imperative_code_is_read_with_its_slices_and_its_own_parameter() -> None:
    recording = importer.record(ready(Imperative(), 2, 3, 8, 8), ((2, 3, 8, 8),))
    assert {"convs.0.weight", "scale", "dense.bias"} < recording.tape.constants.keys()
    assert [call.op for call in recording.tape.calls].count("split") == 2
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    values = interpret(recording.tape, [x])
    ran = recording.runner.run([x], [np.ones((2, 4))], "float64")
    assert all(distance(values[call.name], ran.values[call.name]) < TOLERANCE for call in recording.tape.calls)
    assert "scale" in ran.gradients


def test_several_inputs_and_outputs_keep_their_names_and_order() -> None:
    net = Shared()
    net.initialize(mx.init.Xavier())
    recording = importer.record(net, ((2, 3, 6, 6), (2, 4, 4, 4)))
    assert recording.tape.inputs == (("left", (2, 3, 6, 6)), ("right", (2, 4, 4, 4)))
    assert [recording.tape.calls[-1].op, len(recording.tape.outputs)] == ["softmax", 2]
    random = np.random.default_rng(0)
    given = [random.normal(size=shape) for _, shape in recording.tape.inputs]
    values = interpret(recording.tape, given)
    ran = recording.runner.run(given, [random.normal(size=values[name].shape) for _, name in recording.tape.outputs], "float64")
    for (_, name), output in zip(recording.tape.outputs, ran.outputs, strict=True):
        assert distance(values[name], output) < TOLERANCE


def test_a_hybridized_block_is_read_as_if_it_were_not() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)
    before = from_framework(net, (2, 3, 12, 12)).model
    net.hybridize(static_alloc=True, static_shape=True)
    net(nd.zeros((2, 3, 12, 12)))
    compiled = net._cached_op
    assert from_framework(net, (2, 3, 12, 12)).model == before
    assert net._cached_op is compiled


def test_blocks_that_wait_for_their_first_input_are_read() -> None:
    net = gluon_lenet()
    net.initialize()
    assert len(from_framework(net, (2, 1, 28, 28)).model.layers) == 10


def test_a_function_over_blocks_and_a_closure_are_read() -> None:
    trunk = ready(nn.Conv2D(4, 3), 2, 3, 8, 8)
    table = {"weight": numbers(5, 4, scale=0.5)}

    def net(x: Any) -> Any:
        return nd.FullyConnected(nd.mean(trunk(x), axis=(2, 3)), table["weight"], num_hidden=5, no_bias=True)

    found = from_framework(net, (2, 3, 8, 8))
    assert {origin.constant for origin in found.origins.values()} == {"trunk.weight", "trunk.bias", "table.weight"}
    assert worst(distances(found))[1] < TOLERANCE


# The zoo: the rest of it, and what they cost, is in zoo_gluon.py

QUICK = ("resnet18_v1", "resnet18_v2", "mobilenet0.25", "mobilenetv2_0.25", "squeezenet1.1")
SLOW = ("alexnet", "densenet121", "inceptionv3", "resnet50_v1", "squeezenet1.0", "vgg11", "vgg11_bn", "mobilenet1.0", "mobilenetv2_1.0")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_network_of_the_zoo_is_read_with_its_training(name: str) -> None:
    found = from_framework(build(name), (1, 3, size_of(name), size_of(name)))
    assert worst(distances(found))[1] < TOLERANCE
    last = [weight for weight in found.weights if weight.endswith("weight")][-1]
    assert worst(distances(found, perturb=last, every=False, gradients=False))[1] > 1e-9


# Running and training the original


def arrays_of(net: Any) -> dict[str, Any]:
    return {name: (item.data().asnumpy(), item.data().grad is None or item.grad().asnumpy()) for name, item in net.collect_params().items()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k][0], b[k][0]) and np.array_equal(a[k][1], b[k][1]) for k in a)


TRAIN = """
import mxnet as mx
def train(net, batches, epochs):
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss, losses = mx.gluon.loss.SoftmaxCrossEntropyLoss(), []
    for epoch in range(epochs):
        for x, y in batches(epoch):
            data, label = mx.nd.empty(x.shape, dtype=x.dtype), mx.nd.empty(y.shape, dtype=x.dtype)
            data._sync_copyfrom(x)
            label._sync_copyfrom(y.astype(x.dtype))
            with mx.autograd.record():
                value = loss(net(data), label).mean()
            value.backward()
            trainer.step(1)
            losses.append(value.asscalar())
    return losses
"""


def batches(epoch: int) -> Any:
    random = np.random.default_rng(epoch)
    for _ in range(2):
        yield random.normal(size=(4, 3, 12, 12)), random.integers(5, size=4)


def test_running_and_training_leave_the_network_as_it_was() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)
    before = arrays_of(net)
    runner = importer.record(net, ((2, 3, 12, 12),), training=True).runner
    runner.run([np.ones((2, 3, 12, 12))], [np.ones((2, 5))], "float32")
    _, constants = runner.train(TRAIN, batches, 1, "float64")
    assert same(before, arrays_of(net))
    assert not np.allclose(constants["head.weight"], before[net.head.weight.name][0])


def test_training_is_that_of_a_copy_of_the_network_itself() -> None:
    net = ready(ResNet(), 2, 3, 12, 12)
    losses, constants = importer.record(net, ((2, 3, 12, 12),)).runner.train(TRAIN, batches, 2, "float64")
    twin = copy.deepcopy(net)
    twin.cast("float64")
    defined: dict[str, Any] = {}
    exec(TRAIN, defined)
    assert losses == defined["train"](twin, batches, 2)
    structural = twin._collect_params_with_prefix()
    assert constants.keys() == structural.keys()
    assert all(np.array_equal(constants[name], item.data().asnumpy()) for name, item in structural.items())
    assert len(set(losses)) == 4


def test_a_function_over_global_arrays_trains_on_copies_of_them() -> None:
    before = W1.asnumpy()

    def images(epoch: int) -> Any:
        yield from ((x.transpose(0, 2, 3, 1)[:, :, :, :1].repeat(3, 1)[:, :28].repeat(3, 2)[:, :, :28], y) for x, y in batches(epoch))

    losses, constants = importer.record(lenet, ((2, 28, 28, 1),)).runner.train(TRAIN, images, 3, "float64")
    assert len(losses) == 6
    assert losses[0] != losses[-1]
    assert np.array_equal(W1.asnumpy(), before)
    assert not np.array_equal(constants["W1"], before.astype(np.float64))


def test_float32_gradients_are_those_of_float64_also_behind_a_max_pool() -> None:
    net = ready(gluon_lenet(), 2, 1, 28, 28)
    runner = importer.record(net, ((2, 1, 28, 28),)).runner
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 1, 28, 28)), random.normal(size=(2, 10))
    single, double = runner.run([x], [y], "float32"), runner.run([x], [y], "float64")
    assert single.gradients.keys() == {"input", *(f"{i}.{role}" for i in (0, 2, 5, 6) for role in ("weight", "bias"))}
    assert single.outputs[0].dtype == np.float32
    assert all(distance(single.gradients[name].astype(float), double.gradients[name]) < 1e-5 for name in double.gradients)


# What cannot be read says so


class Straight(autograd.Function):
    """Be a function whose derivative is not that of what it computes."""

    def forward(self, x: Any) -> Any:
        return nd.sign(x)

    def backward(self, dy: Any) -> Any:
        return dy


@pytest.mark.parametrize(
    ("net", "words"),
    [
        pytest.param(lambda x: nd.array(x.asnumpy()), ["asnumpy()", "mx.nd throughout"], id="leaving MXNet"),
        pytest.param(lambda x: x if nd.sum(x).asscalar() > 0 else -x, ["asscalar()"], id="branching on a value"),
        pytest.param(lambda x: x.as_np_ndarray(), ["mx.np"], id="going over to NumPy's imitation"),
        pytest.param(lambda x: Straight()(x), ["Straight", "a derivative of its own"], id="a derivative of its own"),
        pytest.param(lambda x, w: x * w, ["lambda x: net(x, parameters)"], id="an argument too many"),
        pytest.param(lambda x: nd.ones((2, 3)), ["does not depend"], id="a constant output"),
        pytest.param(lambda x: (x, 3), ["returns int"], id="an output that is no array"),
        pytest.param(lambda x: nd.Dropout(x, p=0.5, mode="always"), ["mode='always'", "Leave out the mode"], id="dropout in inference"),
        pytest.param(lambda x: nd.Dropout(x, p=0.5, axes=(2, 3)), ["axes"], id="dropout of channels"),
        pytest.param(lambda x: nd.SoftmaxOutput(x, nd.zeros((2, 3, 5))), ["loss", "softmax"], id="a loss"),
        pytest.param(
            lambda x: nd.Pooling(x, kernel=(2, 2), stride=(3, 3), pad=(1, 1), pooling_convention="full"),
            ["starts inside the padding", "ceil_mode=False"],
            id="a window in the padding",
        ),
    ],
)
def test_what_cannot_be_recorded_says_why_and_what_to_do(net: Any, words: list[str]) -> None:
    with pytest.raises(PortError) as caught:
        importer.record(net, ((2, 3, 5, 5),))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("net", "word"),
    [
        pytest.param(lambda x: nd.Activation(x, act_type="softsign"), "Activation(act_type=softsign)", id="softsign"),
        pytest.param(lambda x: nd.UpSampling(x, scale=2, sample_type="nearest"), "UpSampling", id="upsampling"),
        pytest.param(lambda x: nd.BlockGrad(x), "BlockGrad", id="a stopped gradient"),
        pytest.param(lambda x: x.detach(), "BlockGrad", id="detach"),
        pytest.param(lambda x: nd.Pad(x, mode="reflect", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)), "Pad(mode=reflect)", id="reflection"),
        pytest.param(lambda x: x.astype("int32"), "Cast(dtype=int32)", id="whole numbers"),
        pytest.param(lambda x: x + nd.random.normal(shape=(1,)), "_random_normal", id="noise"),
        pytest.param(lambda x: nd.LRN(x, nsize=3), "LRN", id="local response normalisation"),
    ],
)
def test_what_has_no_word_keeps_its_own_name_and_the_lifting_refuses_it_with_the_line(net: Any, word: str) -> None:
    tape = importer.record(net, ((2, 3, 5, 5),)).tape
    assert word in {call.op for call in tape.calls}
    with pytest.raises(PortError) as caught:
        from_framework(net, (2, 3, 5, 5), dialect="gluon")
    assert word in str(caught.value)
    assert f"{__file__}:" in str(caught.value)


def test_values_may_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def net(x: Any) -> Any:
        print(x)
        return nd.relu(x)

    assert [call.op for call in importer.record(net, ((2, 3),)).tape.calls] == ["relu"]
    assert "NDArray 2x3" in capsys.readouterr().out


def test_mxnets_imitation_of_numpy_is_refused() -> None:
    with mx.util.np_array(True), pytest.raises(PortError, match="reset_np"):
        importer.record(lambda x: x, ((2, 3),))


def test_an_array_called_like_the_input_is_another_thing() -> None:
    input = numbers(1, 3)
    tape = importer.record(lambda x: x * input, ((2, 3),)).tape
    assert tape.calls[0].inputs == ("input_input", "input")


def test_a_batch_norm_without_scale_and_center_has_neither() -> None:
    net = nn.BatchNorm(scale=False, center=False)
    net.initialize()
    call = importer.record(net, ((2, 3, 4, 4),)).tape.calls[0]
    assert [operand is None for operand in call.inputs] == [False, True, True, False, False]
    frozen = nn.BatchNorm()
    frozen.initialize()
    frozen.collect_params().setattr("grad_req", "null")
    assert None not in importer.record(frozen, ((2, 3, 4, 4),)).tape.calls[0].inputs


def test_a_block_without_values_is_refused() -> None:
    with pytest.raises(PortError, match=r"Call net.initialize\(\)"):
        importer.record(gluon_lenet(), ((2, 1, 28, 28),))


def test_a_network_that_does_not_do_the_same_twice_is_refused() -> None:
    turns: list[int] = []

    def net(x: Any) -> Any:
        turns.append(1)
        return nd.relu(x) if len(turns) % 2 else nd.tanh(x)

    recording = importer.record(net, ((2, 3),))
    with pytest.raises(PortError, match="not do the same each time"):
        recording.runner.run([np.ones((2, 3))], [np.ones((2, 3))], "float64")


def test_objects_of_mxnet_are_accepted_and_others_are_not() -> None:
    for value in (gluon_lenet(), lenet, lambda x: nd.relu(x), lambda x: lenet(x)):
        assert importer.accepts(value)
    for value in (3, np.ones(3), len, un.zoo.lenet, dict, distance, lambda x: np.maximum(x, 0)):
        assert not importer.accepts(value)


def test_mxnet_is_as_it_was_after_reading() -> None:
    watched = [
        (mx.nd.register, "_imperative_invoke"), (gluon.Block, "__call__"), (gluon.HybridBlock, "_call_cached_op"), (autograd.Function, "__call__"),
        *((mx.nd.NDArray, name) for name in ("reshape", "__getitem__", "detach", "asnumpy", "as_np_ndarray")),
    ]  # fmt: skip
    before = [getattr(owner, name) for owner, name in watched]
    importer.record(lenet, ((2, 28, 28, 1),))
    with pytest.raises(PortError):
        importer.record(lambda x: nd.array(x.asnumpy()), ((2, 3),))
    assert [getattr(owner, name) for owner, name in watched] == before
