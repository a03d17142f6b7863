"""Networks of Keras and TensorFlow are read as what they are: graphs of layers, models with code of their own, and functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import PortError, UnsupportedError
from unicnn.porting.reading import from_framework, read_file

from .keras_agreement import agreement, calls, constant, filled, importer, keras, only, recorded, sequential, tf, variables
from .proving import distances, worst

layers = keras.layers
TOLERANCE = 1e-10


def kinds(model: un.Model) -> list[str]:
    return [type(layer.op).__name__ for layer in model.layers]


def named(model: un.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def proven(root: Any, *shapes: Any, **options: Any) -> Any:
    """Return what a network is read as, having compared values, outputs and gradients, and seen that a changed weight shows."""
    found = from_framework(root, list(shapes), **options)
    assert worst(distances(found))[1] < TOLERANCE
    last = [name for name in found.weights if name.endswith(("weight", "shift"))][-1]
    assert worst(distances(found, perturb=last))[1] > 1e-9
    return found


# Graphs of layers


def lenet() -> Any:
    return filled(
        keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(20, 5, activation="relu", name="conv1"),
                layers.MaxPooling2D(2),
                layers.Conv2D(50, 3, activation="relu", name="conv2"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(128, activation="relu", name="linear1"),
                layers.Dense(10, name="linear2"),
            ],
            name="lenet",
        )
    )


def test_a_sequential_lenet_is_the_lenet_of_the_zoo_under_its_own_names() -> None:
    net = lenet()
    found = proven(net, (2, 28, 28, 1))
    assert kinds(found.model) == kinds(un.zoo.get("lenet"))
    assert [layer.op for layer in found.model.layers] == [layer.op for layer in un.zoo.get("lenet").layers]
    assert found.model.name == "lenet"
    assert {"conv1", "conv2", "linear1", "linear2"} <= set(named(found.model))
    assert found.model.inputs == (("input", (1, 28, 28)),)
    kernel = constant(net, "conv1/kernel")
    assert np.array_equal(found.weights["conv1.weight"], kernel.transpose(3, 2, 0, 1))
    rows = constant(net, "linear1/kernel").reshape(5, 5, 50, 128).transpose(3, 2, 0, 1).reshape(128, -1)
    assert np.array_equal(found.weights["linear1.weight"], rows)


def block(x: Any, channels: int, name: str, stride: int = 1) -> Any:
    y = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False, name=f"{name}.conv1")(x)
    y = layers.ReLU(name=f"{name}.relu1")(layers.BatchNormalization(name=f"{name}.norm1")(y))
    y = layers.BatchNormalization(name=f"{name}.norm2")(layers.Conv2D(channels, 3, padding="same", name=f"{name}.conv2")(y))
    if stride > 1:
        x = layers.Conv2D(channels, 1, strides=stride, name=f"{name}.conv3")(x)
    return layers.ReLU(name=f"{name}.relu2")(layers.Add(name=f"{name}.add")([y, x]))


def resnet() -> Any:
    x = keras.Input((12, 10, 3))
    y = block(block(layers.Conv2D(6, 3, name="conv1")(x), 6, "block1"), 8, "block2", stride=2)
    return filled(keras.Model(x, layers.Dense(5, name="linear")(layers.GlobalAveragePooling2D(name="pool")(y)), name="small-resnet"))


def test_a_functional_resnet_has_its_layers_names_and_operands_in_order() -> None:
    found = proven(resnet(), (2, 12, 10, 3))
    assert found.model.name == "small-resnet"
    by_name = {layer.name: layer for layer in found.model.layers}
    assert by_name["block2.add"].inputs == ("block2.norm2", "block2.conv3")
    assert by_name["block1.norm1"].op == un.BatchNorm2d(eps=1e-3, keep=0.99)
    assert by_name["block2.conv1"].op == un.Conv2d(8, 3, stride=2, padding="same", bias=False) or by_name["block2.conv1"].op.stride == (
        2,
        2,
    )


def test_symbols_added_and_scaled_in_a_functional_model_are_glue() -> None:
    x = keras.Input((6, 6, 4), name="picture")
    y = layers.Conv2D(4, 3, padding="same", name="conv1")(x)
    net = filled(keras.Model(x, keras.ops.relu(y + x) * 0.5))
    tape = agreement(net, (2, 6, 6, 4)).tape
    assert [(call.op, call.path, call.own) for call in tape.calls] == [
        ("conv", "conv1", True), ("add", "", False), ("relu", "", False), ("mul", "", False),
    ]  # fmt: skip
    assert tape.inputs == (("picture", (2, 6, 6, 4)),)
    assert tape.calls[-1].inputs[1] == 0.5


def test_a_model_within_a_model_puts_its_name_before_its_layers() -> None:
    backbone = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv1"), layers.ReLU(name="relu1")], name="backbone")
    x = keras.Input((8, 8, 3))
    net = filled(keras.Model(x, layers.Dense(3, name="head")(layers.Flatten(name="flat")(backbone(x)))))
    found = proven(net, (2, 8, 8, 3))
    assert named(found.model) == ["backbone.conv1", "backbone.relu1", "flat", "head"]
    assert set(found.recording.tape.constants) == {"backbone.conv1/kernel", "backbone.conv1/bias", "head/kernel", "head/bias"}
    assert found.classes["backbone"] == "Sequential"


def test_several_inputs_and_outputs_keep_names_and_keys() -> None:
    left, right = keras.Input((5, 5, 2), name="left"), keras.Input((5, 5, 3), name="right")
    joined = layers.Concatenate(name="concat")([left, right])
    y = layers.Flatten(name="flatten")(joined)
    net = filled(keras.Model({"left": left, "right": right}, {"logits": layers.Dense(4, name="head")(y), "joined": joined}))
    found = proven(net, (2, 5, 5, 2), (2, 5, 5, 3))
    assert [name for name, _ in found.model.inputs] == ["left", "right"]
    assert {key for key, _ in found.model.outputs} == {"logits", "joined"}
    assert net({"left": tf.zeros((1, 5, 5, 2)), "right": tf.zeros((1, 5, 5, 3))}).keys() == {"logits", "joined"}


def test_a_layer_that_is_called_twice_is_refused_for_its_shared_weights() -> None:
    x = keras.Input((6, 6, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    net = filled(keras.Model(x, shared(shared(x))))
    tape = agreement(net, (2, 6, 6, 3)).tape
    assert [call.path for call in tape.calls] == ["shared", "shared"]
    assert len(tape.constants) == 2
    with pytest.raises(PortError, match="shared/kernel is used by"):
        from_framework(net, (2, 6, 6, 3))


# Models with code of their own


class CNN(keras.Model):
    """Be the tutorial's network, as it is written there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(filters=32, kernel_size=[5, 5], padding="same", activation=tf.nn.relu)
        self.pool1 = layers.MaxPool2D(pool_size=[2, 2], strides=2)
        self.conv2 = layers.Conv2D(filters=64, kernel_size=[5, 5], padding="same", activation=tf.nn.relu)
        self.pool2 = layers.MaxPool2D(pool_size=[2, 2], strides=2)
        self.flatten = layers.Reshape(target_shape=(7 * 7 * 64,))
        self.dense1 = layers.Dense(units=1024, activation=tf.nn.relu)
        self.dense2 = layers.Dense(units=10)

    def call(self, inputs: Any) -> Any:
        x = self.conv1(inputs)
        x = self.pool1(x)
        x = self.conv2(x)
        x = self.pool2(x)
        x = self.flatten(x)
        x = self.dense1(x)
        x = self.dense2(x)
        return tf.nn.softmax(x)


def test_the_tutorials_subclassed_network_is_read_with_its_softmax() -> None:
    net = CNN()
    net(tf.zeros((1, 28, 28, 1)))
    found = proven(filled(net), (2, 28, 28, 1))
    assert kinds(found.model) == [*kinds(un.zoo.get("tf-cnn")), "Softmax"]
    assert sum(array.size for array in found.weights.values()) == 3_274_634
    own = ["conv1", "pool1", "conv2", "pool2", "flatten", "dense1", "dense2"]
    assert [name for name in named(found.model) if name in own] == own
    softmax = only(found.recording.tape, "softmax")
    assert (softmax.path, softmax.own) == ("", False)
    assert softmax.where is not None
    assert softmax.where.file == __file__
    assert softmax.where.text.strip() == "return tf.nn.softmax(x)"


def test_a_network_that_has_not_been_called_yet_is_read_too() -> None:
    found = from_framework(CNN(), (2, 28, 28, 1))
    assert sum(array.size for array in found.weights.values()) == 3_274_634


class Stage(layers.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = [layers.Conv2D(channels, 3, padding="same"), layers.Conv2D(channels, 1)]
        self.norms = {"first": layers.BatchNormalization(), "second": layers.BatchNormalization()}

    def call(self, x: Any, training: bool = False) -> Any:
        for conv, norm in zip(self.convs, self.norms.values(), strict=True):
            x = tf.nn.relu(norm(conv(x), training=training))
        return x


class Deep(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.stages = [Stage(3), Stage(4)]
        self.drop = layers.Dropout(0.5)
        self._head = layers.Dense(2)

    @tf.function
    def call(self, x: Any, training: bool = False) -> Any:
        for stage in self.stages:
            x = stage(x, training=training)
        return self._head(self.drop(tf.reshape(x, (tf.shape(x)[0], -1)), training=training))


def test_parts_in_lists_and_dicts_are_called_by_index_and_key() -> None:
    net = Deep()
    net(tf.zeros((1, 5, 5, 3)))
    found = proven(filled(net), (2, 5, 5, 3))
    assert named(found.model)[:6] == [
        "stages.0.convs.0", "stages.0.norms.first", "stages.0.relu1", "stages.0.convs.1", "stages.0.norms.second", "stages.0.relu2",
    ]  # fmt: skip
    assert named(found.model)[-2:] == ["drop", "_head"]
    assert found.classes["stages.1"] == "Stage"
    assert "stages.0.norms.first/moving_mean" in found.recording.tape.constants


class Written(keras.Model):
    """Be a network all of whose arithmetic is written out, over variables of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = tf.Variable(tf.zeros((3, 3, 2, 4)))
        self.b1 = tf.Variable(tf.zeros(4))
        self.rest = [tf.Variable(tf.zeros((36, 5))), tf.Variable(tf.zeros(5))]

    def call(self, x: Any) -> Any:
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, self.w1, strides=1, padding="SAME"), self.b1))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        x = tf.reshape(x, [-1, 36])
        return x @ self.rest[0] + self.rest[1]


def test_a_network_written_out_over_variables_has_layers() -> None:
    found = proven(filled(Written()), (2, 6, 7, 2))
    assert kinds(found.model) == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert set(found.recording.tape.constants) == {"w1", "b1", "rest.0", "rest.1"}
    assert only(found.recording.tape, "conv").where.text.strip().startswith("x = tf.nn.relu(tf.nn.bias_add(")


KERNEL, OFFSET = tf.Variable(tf.zeros((2, 2, 3, 4)), name="kernel"), tf.Variable(tf.zeros(4), name="offset")


@tf.function
def compiled(x: Any) -> Any:
    return tf.nn.leaky_relu(tf.nn.conv2d(x, KERNEL, 1, "VALID") + OFFSET, alpha=0.1)


def plain(x: Any) -> Any:
    return compiled(x) * 2.0


class Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(3).normal(size=(2, 2, 3, 4)).astype("float32"))
        self.offset = tf.Variable(np.random.default_rng(4).normal(size=4).astype("float32"))

    def __call__(self, x: Any) -> Any:
        return tf.nn.conv2d(x, self.kernel, [1, 1], "VALID") + self.offset


@pytest.mark.parametrize("root", [compiled, plain, Module()], ids=["a tf.function", "a function of Python", "a tf.Module"])
def test_functions_and_modules_over_variables(root: Any) -> None:
    KERNEL.assign(np.random.default_rng(1).normal(size=KERNEL.shape))
    OFFSET.assign(np.random.default_rng(2).normal(size=OFFSET.shape))
    tape = agreement(root, (2, 5, 4, 3)).tape
    assert set(tape.constants) == {"kernel", "offset"}
    found = from_framework(root, (2, 5, 4, 3))
    assert worst(distances(found))[1] < TOLERANCE
    assert kinds(found.model)[:1] == ["Conv2d"]


OPERATIONS = {
    "cut": lambda x: x[:, 1:, :-1],
    "cut along channels": lambda x: x[..., 1:3],
    "one row": lambda x: x[:, 0],
    "a new axis": lambda x: x[:, tf.newaxis],
    "split": lambda x: tf.concat(tf.split(x, 2, axis=-1)[::-1], -1),
    "unequal split": lambda x: tf.split(x, [1, 3], axis=-1)[1],
    "unstack and stack": lambda x: tf.stack(tf.unstack(x, axis=1)[::-1], axis=2),
    "slice": lambda x: tf.slice(x, [0, 1, 0, 2], [-1, 2, -1, 1]),
    "shape arithmetic": lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2], tf.shape(x)[3]]),
    "squeeze and expand": lambda x: tf.squeeze(tf.expand_dims(x, 2), [2]),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=0.5),
    "mean and largest": lambda x: tf.reduce_mean(x, [1, 2]) + tf.reduce_max(x, [-3, -2]) - tf.reduce_sum(x, (1, 2)),
    "arithmetic": lambda x: (2.0 - x) / 3.0 + tf.maximum(x, 0.1) * tf.minimum(1.0, x) - tf.square(-x),
    "roots": lambda x: tf.sqrt(tf.abs(x)) + tf.math.rsqrt(tf.square(x) + 1.0) + tf.math.log(1.0 + tf.exp(x)) + tf.math.reciprocal(2.0 + tf.abs(x)),
    "powers": lambda x: tf.pow(x, 3) + x**2,
    "differences": lambda x: tf.math.squared_difference(x, x[:, :1]) + tf.add_n([x, x, 2.0 * x]),
    "error function": lambda x: tf.math.erf(x) + tf.math.erfc(x * 0.5),
    "clipping": lambda x: tf.clip_by_value(x, -0.5, 0.7),
    "gates": lambda x: tf.nn.silu(x) + tf.nn.gelu(x) + tf.nn.gelu(x, approximate=True) + tf.nn.sigmoid(x) + tf.nn.elu(x) + tf.nn.relu6(x),
    "softmax along rows": lambda x: tf.nn.softmax(x, axis=1) + tf.nn.log_softmax(x),
    "pools": lambda x: tf.nn.avg_pool2d(x, 2, 1, "SAME") + tf.nn.max_pool2d(x, (3, 2), 1, "SAME"),
    "explicit pads": lambda x: tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]]),
    "images of numbers": lambda x: x * tf.constant(np.arange(4.0), tf.float32) + tf.image.rgb_to_grayscale(x[..., :3]) * 0.0,
    "matrix": lambda x: tf.matmul(x, tf.constant(np.arange(12.0).reshape(4, 3), tf.float32)),
    "matrix turned": lambda x: tf.matmul(x[:, 0, 0], tf.constant(np.arange(12.0).reshape(3, 4), tf.float32), transpose_b=True),
    "sum of products": lambda x: tf.einsum("nhwc,cd->nhwd", x, tf.constant(np.arange(12.0).reshape(4, 3), tf.float32)),
    "dilated depthwise": lambda x: tf.nn.depthwise_conv2d(x, W, [1, 1, 1, 1], "SAME", dilations=[2, 2]),
    "transposed": lambda x: tf.nn.conv2d_transpose(x, tf.transpose(W, [0, 1, 3, 2]) + 1.0, [2, 12, 10, 1], 2, "SAME"),
    "fused normalisation": lambda x: tf.compat.v1.nn.fused_batch_norm(x, V, V, mean=V, variance=V, epsilon=0.01, is_training=False)[0],
    "norm by hand": lambda x: tf.nn.batch_normalization(x, V, V, V, V, 1e-3),
}  # fmt: skip
W = tf.constant(np.random.default_rng(5).normal(size=(3, 3, 4, 1)), tf.float32)
V = tf.constant([0.5, 0.75, 1.0, 1.5])


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operations_of_tensorflow(operation: Any) -> None:
    agreement(operation, (2, 6, 5, 4))


def test_numbers_are_those_that_were_written() -> None:
    tape = recorded(lambda x: tf.nn.leaky_relu(x * 0.1 + 1 / 3, 0.2), (2, 3)).tape
    assert [call.inputs[1] for call in tape.calls[:2]] == [0.1, 1 / 3]
    assert tape.calls[2].attributes == {"negative_slope": 0.2}


def test_arrays_in_code_are_constants_and_variables_are_seen_where_they_lie() -> None:
    net = Module()
    tape = recorded(net, (2, 5, 4, 3)).tape
    read = tape.constants["kernel"].read
    assert read().__array_interface__["data"] == read().__array_interface__["data"]
    assert np.array_equal(read(), net.kernel.numpy())
    net.kernel.assign_add(tf.ones_like(net.kernel))
    assert np.array_equal(read(), net.kernel.numpy())
    extra = recorded(lambda x: x * tf.constant([1.0, 2.0, 3.0]), (2, 3)).tape
    assert extra.constants["constant1"].read().tolist() == [1.0, 2.0, 3.0]
    assert not extra.constants["constant1"].trainable


# What cannot be read


def test_a_branch_on_values_is_refused() -> None:
    def branching(x: Any) -> Any:
        return x if tf.reduce_sum(x) > 0 else -x

    with pytest.raises(PortError, match="branching cannot be traced: what it does depends on the values that flow through it"):
        recorded(branching, (2, 3))


class Eager(keras.Model):
    def call(self, x: Any) -> Any:
        return tf.constant(x.numpy()) * 2.0


class Loop(keras.Model):
    def call(self, x: Any) -> Any:
        for _ in tf.range(3):
            x = x * 2.0
        return x


@pytest.mark.parametrize(
    ("cls", "reason"), [(Eager, "has no attribute 'numpy'"), (Loop, "terating over a symbolic")], ids=["NumPy", "a loop"]
)
def test_values_in_code_are_refused_with_the_reason(cls: Any, reason: str) -> None:
    with pytest.raises(PortError, match=rf"{cls.__name__.lower()} cannot be traced: .*\(.*{reason}"):
        recorded(cls(), (2, 3))


def test_functions_within_the_graph_are_refused() -> None:
    def either(x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x)

    with pytest.raises(PortError, match=rf"StatelessIf at {__file__}:\d+ .*runs a function that the graph holds as a whole"):
        recorded(either, (2, 3))


def test_a_saved_graph_is_refused_and_the_module_it_came_from_is_read(tmp_path: Path) -> None:
    net = Head()
    net.__call__ = tf.function(net.__call__, input_signature=[tf.TensorSpec((None, 12, 10, 3))])
    tf.saved_model.save(net, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert importer.accepts(loaded.__call__)
    with pytest.raises(PortError, match="loaded from a SavedModel"):
        recorded(loaded.__call__, (2, 12, 10, 3))


def test_inputs_of_whole_numbers_are_refused() -> None:
    x = keras.Input((4,), dtype="uint8", name="pixels")
    with pytest.raises(PortError, match="The input pixels of .* takes numbers of type uint8"):
        recorded(keras.Model(x, layers.Rescaling(1 / 255)(x)), (2, 4))


class Two(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = layers.Conv2D(3, 3), layers.Conv2D(3, 3)

    def call(self, x: Any, y: Any) -> Any:
        return {"sum": self.left(x) + self.right(y), "left": self.left(x)}


class Pairs(Two):
    def call(self, inputs: Any) -> Any:
        x, y = inputs
        return self.left(x), self.right(y)


def test_inputs_may_be_several_arguments_or_one_list() -> None:
    tape = agreement(Two(), (2, 6, 6, 3), (2, 6, 6, 2)).tape
    assert [name for name, _ in tape.inputs] == ["x", "y"]
    assert [key for key, _ in tape.outputs] == ["sum", "left"]
    tape = agreement(Pairs(), (2, 6, 6, 3), (2, 6, 6, 2)).tape
    assert [name for name, _ in tape.inputs] == ["input1", "input2"]
    assert [key for key, _ in tape.outputs] == [None, None]


def test_sizes_that_a_model_leaves_open_are_those_of_the_input() -> None:
    x = keras.Input((None, None, 3))
    net = filled(keras.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv1")(x))))
    assert agreement(net, (2, 9, 7, 3)).tape.calls[0].shape == (2, 7, 5, 4)


def test_a_network_in_double_precision_is_read_without_rounding() -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        net = sequential(layers.Conv2D(3, 3, name="conv1"), layers.BatchNormalization(name="norm1"))
    finally:
        keras.config.set_dtype_policy(policy)
    recording = agreement(net, (2, 9, 8, 4))
    assert {constant.read().dtype for constant in recording.tape.constants.values()} == {np.dtype("float64")}


def test_a_derivative_of_ones_own_goes_by_a_name_of_its_own() -> None:
    @tf.custom_gradient
    def reversed_gradient(x: Any) -> Any:
        return tf.identity(x), lambda dy: -dy

    tape = recorded(lambda x: tf.nn.relu(reversed_gradient(x)), (2, 3)).tape
    assert calls(tape) == ["custom_gradient", "relu"]
    stopped = recorded(lambda x: tf.stop_gradient(x) * x, (2, 3)).tape
    assert calls(stopped) == ["StopGradient", "mul"]


def test_dropout_in_code_is_refused_with_the_layer_that_works() -> None:
    def noisy(x: Any, training: bool = False) -> Any:
        return tf.nn.dropout(x, 0.5) if training else x * 1.0

    assert calls(recorded(noisy, (2, 3)).tape) == ["mul"]
    with pytest.raises(PortError, match=r"draws random numbers.*keras\.layers\.Dropout"):
        recorded(noisy, (2, 3), training=True)


def test_what_has_no_word_is_named_with_its_line() -> None:
    def upsampled(x: Any) -> Any:
        return tf.nn.relu(tf.image.resize(x, (8, 8), method="nearest"))

    with pytest.raises(PortError, match=rf"ResizeNearestNeighbor at {__file__}:\d+ .return tf\.nn\.relu\(tf\.image\.resize"):
        from_framework(upsampled, (2, 4, 4, 3))


@pytest.mark.parametrize(
    ("value", "taken"),
    [(lenet(), True), (layers.Dense(3), True), (compiled, True), (plain, True), (Module(), True), (tf.Module(), False), (len, False),
     (lambda x: x, False), (un.zoo.get("lenet"), False), (3, False)],
    ids=["a model", "a layer", "a tf.function", "a function", "a module", "a module without a call", "a built-in", "any function",
         "a description", "a number"],
)  # fmt: skip
def test_what_is_taken_for_a_network(value: Any, taken: bool) -> None:
    assert importer.accepts(value) is taken


# Files


def test_a_file_is_read_as_data(tmp_path: Path) -> None:
    net = resnet()
    net.save(tmp_path / "net.keras")
    again = importer.read(tmp_path / "net.keras")
    assert recorded(again, (2, 12, 10, 3)).tape.calls == recorded(net, (2, 12, 10, 3)).tape.calls
    for name, variable in variables(net).items():
        assert np.array_equal(variable.numpy(), constant(again, name))
    found = read_file(tmp_path / "net.keras", (2, 12, 10, 3))
    assert found.model == from_framework(net, (2, 12, 10, 3)).model
    assert found.model.name == "net"


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    sequential(layers.Lambda(lambda x: x * 2.0)).save(tmp_path / "net.keras")
    with pytest.raises(PortError, match=r"net\.keras cannot be read"):
        importer.read(tmp_path / "net.keras")


def test_other_files_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"is not a \.keras file"):
        importer.read(tmp_path / "net.h5")
    with pytest.raises(UnsupportedError, match="without options"):
        importer.read(tmp_path / "net.keras", params=3)
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(PortError, match=r"broken\.keras cannot be read"):
        importer.read(tmp_path / "broken.keras")


# Running the original


def test_recording_and_running_leave_the_network_as_it_was() -> None:
    net = resnet()
    before = {name: variable.numpy().copy() for name, variable in variables(net).items()}
    call = keras.layers.Layer.__call__
    for training in (True, False):
        recording = recorded(net, (2, 12, 10, 3), training=training)
        for dtype in ("float32", "float64"):
            recording.runner.run([np.ones((2, 12, 10, 3))], [np.ones((2, 5))], dtype)
    assert keras.layers.Layer.__call__ is call
    assert not tf.config.functions_run_eagerly()
    assert keras.config.floatx() == "float32"
    assert net.get_layer("conv1").activation is keras.activations.linear
    assert all(np.array_equal(array, constant(net, name)) for name, array in before.items())


def test_gradients_are_those_of_differences() -> None:
    net = resnet()
    recording = recorded(net, (2, 12, 10, 3))
    random = np.random.default_rng(9)
    x, seed = random.normal(size=(2, 12, 10, 3)), random.normal(size=(2, 5))
    slopes = recording.runner.run([x], [seed], "float64").gradients
    assert set(slopes) == {"input", *recording.tape.constants}
    step = random.normal(size=x.shape)

    def total(t: float) -> float:
        return float(np.vdot(recording.runner.run([x + t * step], [seed], "float64").outputs[0], seed))

    assert abs((total(1e-6) - total(-1e-6)) / 2e-6 - np.vdot(slopes["input"], step)) < 1e-7 * np.linalg.norm(slopes["input"])
    bias = slopes["linear/bias"]
    assert np.allclose(bias, seed.sum(0), rtol=0, atol=1e-12 * np.abs(seed).sum())


TRAIN = """
import keras
import tensorflow as tf


def train(net, batches, epochs):
    optimizer = keras.optimizers.SGD(0.125)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = []
    for epoch in range(epochs):
        for x, y in batches(epoch):
            with tf.GradientTape() as tape:
                loss = loss_of(y, net(x, training=True) if isinstance(net, keras.Model) else net(x))
            gradients = tape.gradient(loss, net.trainable_variables)
            optimizer.apply_gradients(zip(gradients, net.trainable_variables))
            losses.append(loss)
    return losses
"""


class Head(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [tf.Variable(np.random.default_rng(3).normal(size=(360, 5)).astype("float32")), tf.Variable(tf.zeros(5))]

    def __call__(self, x: Any) -> Any:
        return tf.reshape(x, (-1, 360)) @ self.parts[0] + self.parts[1]


class Pair(keras.Model):
    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.flat, self.head = layers.Flatten(), layers.Dense(units)

    def get_config(self) -> Any:
        return {**super().get_config(), "units": self.units}

    def call(self, x: Any) -> Any:
        return self.head(self.flat(x))


class Built(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.head = Stage(2), Pair(5)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.head(self.norm(x, training=training))


TRAINED = {"functional": resnet, "with arguments": lambda: Pair(5), "without arguments": Built, "module": Head}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", TRAINED.values(), ids=TRAINED)
def test_a_copy_is_trained(make: Any, dtype: str) -> None:
    net = make()
    net(tf.zeros((1, 12, 10, 3)))
    filled(net)
    before = {name: variable.numpy().copy() for name, variable in variables(net).items()}
    recording = recorded(net, (2, 12, 10, 3))
    random = np.random.default_rng(4)
    data = [(random.normal(size=(2, 12, 10, 3)).astype(dtype), np.array([0, 3])) for _ in range(3)]
    losses, after = recording.runner.train(TRAIN, lambda epoch: data, 2, dtype)
    assert len(losses) == 6
    assert set(after) == set(recording.tape.constants)
    assert all(array.dtype == dtype for array in after.values())
    still = {name for name, array in after.items() if np.array_equal(array, before[name])}
    assert not {name for name in still if not name.endswith("/bias")}  # what a normalisation takes away again has no derivative
    assert all(np.array_equal(array, constant(net, name)) for name, array in before.items())
    if dtype == "float64":
        x, y = data[0]
        logits = recording.runner.run([x], [np.ones((2, 5))], dtype).outputs[0]
        if not any("moving" in name for name in after):
            shifted = logits - logits.max(1, keepdims=True)
            wanted = -np.mean((shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))[np.arange(2), y])
            assert abs(losses[0] - wanted) < 1e-12


def test_a_network_whose_arguments_are_not_known_is_not_trained() -> None:
    class Unknown(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.head = layers.Dense(units)

        def call(self, x: Any) -> Any:
            return self.head(x)

    with pytest.raises(NotImplementedError, match=r"Unknown cannot be copied.*Give it a method get_config"):
        recorded(Unknown(3), (2, 5)).runner.train(TRAIN, lambda epoch: [], 1, "float64")


def test_functions_are_not_trained_for_want_of_a_copy() -> None:
    with pytest.raises(NotImplementedError, match="compiled is a function"):
        recorded(compiled, (2, 5, 4, 3)).runner.train(TRAIN, lambda epoch: [], 1, "float32")
