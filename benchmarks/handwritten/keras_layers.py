"""LeNet in Keras 3, on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import layers

from benchmarks.task import CLASSES, LEARNING_RATE, Array, Contestant, Data, Task


def network(data: Data) -> keras.Model:
    """Return LeNet with the weights loaded, channels first as PyTorch has them."""
    keras.config.set_image_data_format("channels_first")
    model = keras.Sequential(
        [
            layers.Input(data.images.shape[1:]),
            layers.Conv2D(20, 5, activation="relu", name="conv1"),
            layers.MaxPooling2D(2),
            layers.Conv2D(50, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2),
            layers.Flatten(data_format="channels_last"),  # or it would put the channels last
            layers.Dense(128, activation="relu", name="linear1"),
            layers.Dense(CLASSES, name="linear2"),
        ]
    )
    for name in ("conv1", "conv2", "linear1", "linear2"):
        weight = data.weights[f"{name}.weight"]
        weight = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        model.get_layer(name).set_weights([weight, data.weights[f"{name}.bias"]])
    return model


def keras_call(task: Task, data: Data) -> Contestant:
    """Return the network, called with a tensor."""
    import torch

    model, x = network(data), torch.from_numpy(data.images)

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            result: torch.Tensor = model(x)
            return result

    return Contestant(infer, lambda y: {"output": y.numpy()})


def keras_predict(task: Task, data: Data) -> Contestant:
    """Return the network's predict_on_batch, from NumPy to NumPy."""
    model = network(data)
    return Contestant(lambda: model.predict_on_batch(data.images), lambda y: {"output": y})


def keras_train(task: Task, data: Data) -> Contestant:
    """Return the network's train_on_batch, compiled as Keras does it by default."""
    model = network(data)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), loss)

    def arrays(found: float) -> dict[str, Array]:
        kept = {}
        for name in ("conv1", "conv2", "linear1", "linear2"):
            weight, bias = model.get_layer(name).get_weights()
            kept |= {f"{name}.weight": weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T, f"{name}.bias": bias}
        return {"loss": found, **kept}

    return Contestant(lambda: float(model.train_on_batch(data.images, data.labels)), arrays)
