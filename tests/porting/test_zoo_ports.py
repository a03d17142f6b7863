"""Networks of the frameworks' own zoos, with random weights and small images, ported to another framework and proven."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import unicnn as un

from .graphs_of_zoos import Port, built

PORTS = (Port("torch", "squeezenet1_1", 64, "keras"),)
SLOW = (
    Port("keras", "MobileNet", 32, "torch", {"alpha": 0.25, "classes": 10}),
    Port("gluon", "mobilenet0.25", 32, "torch"),
    Port("torch", "alexnet", 96, "gluon"),
    Port("torch", "vgg11_bn", 32, "keras"),
    Port("torch", "resnet18", 64, "keras"),
    Port("torch", "resnet18", 64, "onnx"),
    Port("torch", "densenet121", 64, "keras"),
    Port("torch", "inception_v3", 96, "gluon", training=False),
    Port("torch", "mobilenet_v2", 64, "gluon", training=False),
    Port("torch", "mobilenet_v3_small", 64, "keras"),
    Port("torch", "regnet_y_400mf", 64, "keras"),
    Port("torch", "efficientnet_b0", 64, "keras", training=False),
    Port("torch", "convnext_tiny", 64, "keras", training=False),
    Port("keras", "VGG16", 32, "torch", {"classes": 10}),
    Port("keras", "ResNet50", 32, "torch"),
    Port("keras", "ResNet50V2", 32, "gluon"),
    Port("keras", "DenseNet121", 32, "torch"),
    Port("keras", "InceptionV3", 75, "torch"),
    Port("keras", "MobileNetV2", 32, "torch"),
    Port("keras", "Xception", 71, "torch"),
    Port("keras", "EfficientNetB0", 32, "torch", training=False),
    Port("gluon", "alexnet", 224, "torch"),
    Port("gluon", "vgg11_bn", 32, "torch"),
    Port("gluon", "resnet18_v1", 32, "keras"),
    Port("gluon", "resnet50_v2", 32, "torch"),
    Port("gluon", "densenet121", 224, "torch"),
    Port("gluon", "inceptionv3", 299, "keras"),
    Port("gluon", "squeezenet1.0", 224, "torch"),
    Port("gluon", "mobilenetv2_1.0", 32, "torch"),
)


@pytest.mark.parametrize(
    "port",
    [*(pytest.param(port, id=port.title) for port in PORTS), *(pytest.param(port, id=port.title, marks=pytest.mark.slow) for port in SLOW)],
)
def test_a_port_of_a_network_of_a_zoo_is_proven(port: Port, tmp_path: Any) -> None:
    for module in port.modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    net, shape = built(port)
    original = un.from_framework(net, shape, training=port.training, name=port.name)
    file = tmp_path / "port.py"
    file.write_text(un.emit(original, port.to))
    certificate = un.verify(original, file, to=port.to, training=port.training)
    assert certificate.proven, certificate.verdict
    seen = [row.float64 for row in certificate.layers if row.float64 is not None]
    assert len(seen) > 0.8 * len(certificate.layers)
    assert port.to == "onnx" or len(certificate.gradients) > 0.9 * sum(
        item.trainable for item in un.infer(original.model).parameters.values()
    )
    assert np.isfinite(certificate.worst)
