"""Networks of keras.applications, small images in, against their originals in float64."""

from __future__ import annotations

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


QUICK = ("MobileNet", "MobileNetV3Small")


@pytest.mark.parametrize(
    ("name", "size"), [pytest.param(*item, id=item[0], marks=() if item[0] in QUICK else pytest.mark.slow) for item in READ.items()]
)
def test_networks_that_are_read_with_their_training(name: str, size: int) -> None:
    net = filled(build(name, size, classes=10))
    found = from_framework(net, (2, size, size, 3))
    learned = sum(int(np.prod(variable.shape)) for variable in net.trainable_variables)
    held = sum(array.size for key, array in found.weights.items() if not key.endswith((".mean", ".var")))
    assert abs(held - learned) <= learned // 200  # scales and shifts of constants become weights
    assert worst(distances(found))[1] < TOLERANCE
    weight = next(key for key in found.weights if key.endswith(".weight"))
    assert worst(distances(found, perturb=weight, gradients=False))[1] > 1e-9


def test_stochastic_depth_is_read_in_inference_only() -> None:
    net = filled(build("EfficientNetB0", 32, classes=10))
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
