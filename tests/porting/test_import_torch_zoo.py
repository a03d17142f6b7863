"""Networks of torchvision: read, and equal to the originals in float64."""

from __future__ import annotations

import pytest

from unicnn.porting.reading import from_framework

from .proving import distances, worst
from .torch_families import scrambled
from .zoo_torch import build, read

SLOW = pytest.mark.slow


def network(name: str, size: int, *, training: bool = True, marks: tuple[pytest.MarkDecorator, ...] = ()):
    return pytest.param(name, size, training, id=name if training else f"{name} in inference only", marks=marks)


@pytest.mark.parametrize(
    ("name", "size", "training"),
    [
        network("squeezenet1_1", 33),
        network("resnet18", 32),
        network("mobilenet_v3_small", 32, marks=(SLOW,)),
        network("efficientnet_b0", 32, training=False, marks=(SLOW,)),
        network("googlenet", 32, marks=(SLOW,)),
        network("mobilenet_v2", 32, marks=(SLOW,)),
        network("mnasnet0_5", 32, marks=(SLOW,)),
        network("regnet_y_400mf", 32, marks=(SLOW,)),
        network("densenet121", 32, marks=(SLOW,)),
        network("inception_v3", 75, marks=(SLOW,)),
        network("convnext_tiny", 32, training=False, marks=(SLOW,)),
        network("alexnet", 63, marks=(SLOW,)),
        network("vgg11_bn", 32, marks=(SLOW,)),
    ],
)
def test_a_network_computes_what_the_original_computes(name: str, size: int, training: bool) -> None:
    imported = from_framework(scrambled(build(name)), (2, 3, size, size), training=training)
    found = distances(imported, every=False, gradients=False)
    assert found
    assert worst(found)[1] < 1e-10


def test_a_weight_of_a_deep_network_that_is_a_little_off_is_seen() -> None:
    imported = from_framework(scrambled(build("squeezenet1_1")), (2, 3, 33, 33), training=False)
    found = distances(imported, every=False, gradients=False, perturb="features.3.squeeze.weight")
    assert worst(found)[1] > 1e-8


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("shufflenet_v2_x0_5", ("split in stage2.1", "24 of the 48 along axis 1", "shufflenetv2.py"), marks=SLOW),
        pytest.param("vit_b_16", ("torch.expand", "vision_transformer.py"), marks=SLOW),
        pytest.param("swin_t", ("attn", "swin_transformer.py"), marks=SLOW),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name: str, words: tuple[str, ...]) -> None:
    result = read(name)
    assert result.imported is None
    for word in words:
        assert word in result.reason


@pytest.mark.slow
def test_stochastic_depth_leaves_inference_only() -> None:
    result = read("efficientnet_b0", 64)
    assert result.verdict == "ok in inference only"
    assert "stochastic_depth" in result.reason
