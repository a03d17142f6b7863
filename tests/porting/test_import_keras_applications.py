"""Networks of keras.applications, small images in, against their originals in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .keras_agreement import agreement, filled, keras
from .proving import distances, worst
from .zoo_keras import build, names

TOLERANCE = 1e-10

READ = {
    "ConvNeXtTiny": 32, "DenseNet121": 32, "InceptionV3": 75, "MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32,
    "ResNet50": 32, "ResNet50V2": 32, "VGG16": 32, "Xception": 71,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _names_count_from_one() -> Any:
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [pytest.param(*item, id=item[0]) for item in READ.items()])
def test_networks_that_are_read_with_their_training(name: str, size: int) -> None:
    net = filled(build(name, size, classes=10))
    found = from_framework(net, (2, size, size, 3))
    learned = sum(int(np.prod(variable.shape)) for variable in net.trainable_variables)
    held = sum(array.size for key, array in found.weights.items() if not key.endswith((".mean", ".var")))
    assert abs(held - learned) <= learned // 200  # scales and shifts of constants become weights
    assert worst(distances(found))[1] < TOLERANCE
    weight = next(key for key in found.weights if key.endswith(".weight"))
    assert worst(distances(found, perturb=weight, gradients=False))[1] > 1e-9


def dropping() -> Any:
    """Return a residual network that leaves out whole samples in training, as EfficientNets do."""
    inputs = keras.Input((32, 32, 3))
    stem = keras.layers.Conv2D(4, 3, strides=4, name="stem")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="silu", name="block2b_dwconv")(stem)
    x = keras.layers.Dropout(0.2, noise_shape=(None, 1, 1, 1), name="block2b_drop")(x)
    x = keras.layers.Add(name="block2b_add")([x, stem])
    return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: build("EfficientNetB0", 32, classes=10), id="EfficientNetB0", marks=pytest.mark.slow),
        pytest.param(dropping, id="a small network"),
    ],
)
def test_stochastic_depth_is_read_in_inference_only(make: Callable[[], Any]) -> None:
    net = filled(make())
    with pytest.raises(PortError, match=r"In training, Dropout\(noise_shape\) in block2b_drop"):
        from_framework(net, (2, 32, 32, 3))
    assert worst(distances(from_framework(net, (2, 32, 32, 3), training=False)))[1] < TOLERANCE


@pytest.mark.slow
def test_a_network_that_cuts_images_is_recorded_and_refused_by_the_layer_that_does() -> None:
    net = filled(build("NASNetMobile", 32, classes=10))
    agreement(net, (2, 32, 32, 3))
    with pytest.raises(PortError, match="split in cropping2d"):
        from_framework(net, (2, 32, 32, 3))


def test_all_names_are_networks() -> None:
    assert len(names()) == 40
    assert set(READ) < set(names())
