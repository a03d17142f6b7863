"""Functions over TensorFlow's operations are read, and what no description can say is refused by name and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .keras_agreement import agreement, calls, importer, keras, recorded, tf
from .keras_networks import KERNEL, OFFSET, TOLERANCE, Head, Module, compiled, kinds, lenet, plain
from .proving import distances, worst

layers = keras.layers


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
