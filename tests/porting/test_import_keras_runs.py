"""Files of Keras are data, the original is run again in either precision, and a copy of it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unicnn.errors import PortError, UnsupportedError
from unicnn.porting.reading import from_framework, read_file

from .keras_agreement import constant, filled, importer, keras, recorded, sequential, tf, variables
from .keras_networks import Head, Stage, compiled, resnet

layers = keras.layers


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
    assert np.abs(bias - seed.sum(0)).max() <= 1e-12 * np.abs(seed).sum()


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


@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "float64") for kind in TRAINED), ("with arguments", "float32")])
def test_a_copy_is_trained(kind: str, dtype: str) -> None:
    net = TRAINED[kind]()
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
