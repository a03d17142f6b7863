"""LeNet on real images: every backend computes it as described, in float32 within rounding and in float64 to 1e-10."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.datasets import fashion_mnist


@pytest.fixture(scope="module")
def images() -> tuple[Any, Any]:
    return fashion_mnist("test", source="embedded").take(32).as_float()


def test_every_layer_and_gradient_is_within_rounding(images: tuple[Any, Any]) -> None:
    result = un.compare(un.zoo.lenet(), *images)
    assert [item.name for item in result.backends] == list(plugins.usable())
    assert result.verdict == "agree", result.conclusion
    assert result.first_divergence is None
    assert len(result.layers) == 10
    assert len(result.gradients) == 1 + 10 + 8


def test_float64_agrees_with_the_numpy_backend_to_1e_10(images: tuple[Any, Any], backend: str) -> None:
    x, labels = images
    reference, program = (un.lower(un.zoo.lenet(), name, numerics="float64", seed=3) for name in ("numpy", backend))
    (loss, gradients), (other_loss, others) = (item.gradients(x, labels) for item in (reference, program))
    assert abs(loss - other_loss) < 1e-12
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        assert np.abs(gradient - others[name]).max() < 1e-12, name
        assert np.ptp(gradient) > 1e-6, name


def test_a_wrong_weight_is_seen(images: tuple[Any, Any], backend: str) -> None:
    x, labels = images
    program = un.lower(un.zoo.lenet(), backend)
    loss, _ = program.gradients(x, labels)
    weights = program.weights()
    weights["conv1.weight"][0, 0, 2, 2] += 0.5
    program.load(weights)
    assert program.gradients(x, labels)[0] != loss


@pytest.mark.parametrize("name", ["tf-cnn", "nin", "resnet18", "inception-block", "vgg11-quarter"])
@pytest.mark.slow
def test_the_rest_of_the_zoo_agrees(name: str) -> None:
    from unicnn.sources import sample

    model = un.zoo.get(name)
    x, _, _ = sample(model, "auto", 2)
    result = un.compare(model, x)
    assert result.verdict == "agree", result.conclusion
