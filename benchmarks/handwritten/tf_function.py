"""The networks in TensorFlow: tf.function over tf.nn, images as NHWC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from benchmarks.task import LEARNING_RATE, Array, Contestant, Data, Task

Weights = Mapping[str, Any]

# Where the last images are flattened: channels first in the canonical weights, channels last here.
FLATTENED = {"lenet": ("linear1.weight", (50, 5, 5))}
PADDED_BY_ONE = [[0, 0], [1, 1], [1, 1], [0, 0]]
PADDED_BY_THREE = [[0, 0], [3, 3], [3, 3], [0, 0]]


def lenet(w: Weights, x: tf.Tensor) -> tf.Tensor:
    """Return the scores of LeNet."""
    y = tf.nn.max_pool2d(tf.nn.relu(conv(w, "conv1", x, 1, "VALID")), 2, 2, "VALID")
    y = tf.nn.max_pool2d(tf.nn.relu(conv(w, "conv2", y, 1, "VALID")), 2, 2, "VALID")
    y = tf.nn.relu(linear(w, "linear1", tf.reshape(y, (-1, 1250))))
    return linear(w, "linear2", y)


def resnet18(w: Weights, x: tf.Tensor) -> tf.Tensor:
    """Return the scores of ResNet-18."""
    y = tf.nn.relu(norm(w, "norm1", conv(w, "conv1", x, 2, PADDED_BY_THREE)))
    y = tf.nn.max_pool2d(y, 3, 2, PADDED_BY_ONE)
    for stage in range(1, 5):
        y = residual(w, f"stage{stage}.block1", y, stride=1 if stage == 1 else 2)
        y = residual(w, f"stage{stage}.block2", y, stride=1)
    return linear(w, "linear", tf.reduce_mean(y, (1, 2)))


def residual(w: Weights, name: str, x: tf.Tensor, stride: int) -> tf.Tensor:
    """Return the output of a block of two 3x3 convolutions and a shortcut."""
    y = conv(w, f"{name}.conv1", x, stride, "SAME" if stride == 1 else PADDED_BY_ONE)
    y = conv(w, f"{name}.conv2", tf.nn.relu(norm(w, f"{name}.norm1", y)), 1, "SAME")
    shortcut = x if stride == 1 else conv(w, f"{name}.conv3", x, stride, "VALID")
    return tf.nn.relu(norm(w, f"{name}.norm2", y) + shortcut)


def conv(w: Weights, name: str, x: tf.Tensor, stride: int, padding: Any) -> tf.Tensor:
    """Return a convolution with a bias."""
    return tf.nn.bias_add(tf.nn.conv2d(x, w[f"{name}.weight"], stride, padding), w[f"{name}.bias"])


def norm(w: Weights, name: str, x: tf.Tensor) -> tf.Tensor:
    """Return batch norm with running statistics."""
    scale, shift, mean, var = (w[f"{name}.{key}"] for key in ("scale", "shift", "mean", "var"))
    return tf.compat.v1.nn.fused_batch_norm(x, scale, shift, mean, var, 1e-5, is_training=False)[0]


def linear(w: Weights, name: str, x: tf.Tensor) -> tf.Tensor:
    """Return a fully connected layer."""
    return tf.nn.bias_add(tf.matmul(x, w[f"{name}.weight"]), w[f"{name}.bias"])


def packed(network: str, name: str, array: Array) -> Array:
    """Return a canonical weight in TensorFlow's layout."""
    flattened, shape = FLATTENED.get(network, ("", ()))
    if name == flattened:
        array = array.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(array.shape)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def canonical(network: str, name: str, array: Array) -> Array:
    """Return a gradient in canonical layout."""
    if name == "input":
        return array.transpose(0, 3, 1, 2)
    array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    flattened, (channels, *size) = FLATTENED[network]
    if name == flattened:
        array = array.reshape(-1, *size, channels).transpose(0, 3, 1, 2).reshape(array.shape)
    return array


def tf_function(task: Task, data: Data) -> Contestant:
    """Return the network as a graph."""
    weights = {name: tf.Variable(packed(task.network, name, array)) for name, array in data.weights.items()}
    x, labels = tf.constant(data.images.transpose(0, 2, 3, 1)), tf.constant(data.labels)
    network = {"lenet": lenet, "resnet18": resnet18}[task.network]

    @tf.function
    def infer(x: tf.Tensor) -> tf.Tensor:
        return network(weights, x)

    @tf.function
    def differentiate(x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        leaves = {**weights, "input": x}
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(weights, x)))
        return loss, tape.gradient(loss, leaves)

    def as_numpy() -> dict[str, Any]:
        loss, gradients = differentiate(x, labels)
        return {"loss": float(loss), **{name: gradient.numpy() for name, gradient in gradients.items()}}

    def arrays(result: dict[str, Any]) -> dict[str, Array]:
        return {name: value if name == "loss" else canonical(task.network, name, value) for name, value in result.items()}

    @tf.function
    def learn(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(weights, x)))
        for weight, gradient in zip(weights.values(), tape.gradient(loss, list(weights.values())), strict=True):
            weight.assign_sub(LEARNING_RATE * gradient)
        return loss

    if task.training:
        return Contestant(
            lambda: float(learn(x, labels)), lambda loss: arrays({"loss": loss, **{k: v.numpy() for k, v in weights.items()}})
        )
    return Contestant(as_numpy, arrays) if task.gradients else Contestant(lambda: infer(x), lambda y: {"output": y.numpy()})
