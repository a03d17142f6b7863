"""Models of Keras are read as what they are: graphs of layers, and classes with code of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .keras_agreement import agreement, constant, filled, keras, only, recorded, sequential, tf
from .keras_networks import Stage, kinds, lenet, named, proven, resnet

from unicnn_tensorflow.importing.copying import precision  # isort: skip

layers = keras.layers


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
    with precision("float64"):
        net = sequential(layers.Conv2D(3, 3, name="conv1"), layers.BatchNormalization(name="norm1"))
    recording = agreement(net, (2, 9, 8, 4))
    assert {constant.read().dtype for constant in recording.tape.constants.values()} == {np.dtype("float64")}
