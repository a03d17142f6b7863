"""The small classes of written files are read as the one layer that each is; a stranger's class of the same name is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import unicnn as un
from tests.porting.emitted import executed, weights, written
from unicnn.errors import PortError
from unicnn.model import Model
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, ConvTranspose2d, Hardsigmoid, Op, ReLU
from unicnn.porting.normal import first_difference
from unicnn.porting.outline.words import class_name
from unicnn.porting.reading import from_framework

from .keras_agreement import keras
from .proving import distances, worst

from unicnn_tensorflow.importing import kinds, own  # isort: skip

LAYERS: dict[str, tuple[Op, Callable[[str], str]]] = {
    "AdaptivePooling2D": (AdaptiveAvgPool2d((1, 3)), lambda text: text.replace("ops.mean(", "ops.max(")),
    "BorderedAveragePooling2D": (
        AvgPool2d(3, 2, ((1, 0), (0, 1)), count_include_pad=False),
        lambda text: text.replace("mean(inputs, 0) /", "mean(inputs, 0) *"),
    ),
    "GeneralConv2DTranspose": (
        ConvTranspose2d(6, (3, 2), 2, 1, groups=2),
        lambda text: text.replace("ops.flip(self.kernel, (0, 1))", "ops.flip(self.kernel, 0)"),
    ),
    "HardSigmoid": (Hardsigmoid(slope=0.2, offset=0.5), lambda text: text.replace("/ 6", "/ 7")),
}
"""What each class does, and a change of its text."""


def network(op: Op) -> Model:
    return un.Sequential([("first", op), ("last", ReLU())], input=(4, 8, 8), name="net")


def read(source: str) -> Any:
    net = executed(source)["Net"]()
    return next(layer for layer in net.layers if layer.name == "first"), from_framework(net, (2, 8, 8, 4))


@pytest.mark.parametrize("name", LAYERS)
def test_a_class_of_a_written_file_is_read_as_one_layer(name: str) -> None:
    op, _ = LAYERS[name]
    layer, found = read(written(network(op), "keras"))
    assert type(layer).__name__ == name
    assert first_difference(network(op), found.model) is None
    assert worst(distances(found))[1] < 1e-10
    for weight in found.weights:
        assert worst(distances(found, perturb=weight))[1] > 1e-9


@pytest.mark.parametrize("name", LAYERS)
def test_a_class_that_was_changed_is_no_longer_known(name: str) -> None:
    op, change = LAYERS[name]
    source = written(network(op), "keras")
    changed = change(source)
    assert changed != source
    net = executed(changed)["Net"]()
    layer = next(layer for layer in net.layers if layer.name == "first")
    assert type(layer).__name__ == name
    assert kinds.kind_of(layer) == kinds.CONTAINER
    try:
        found = from_framework(net, (2, 8, 8, 4)).model
    except PortError:
        return
    assert first_difference(network(op), found) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("dilation_rate=1,", "dilation_rate=2,", id="another default"),
        pytest.param('"zeros"', '"ones"', id="another word in it"),
        pytest.param("(layers.Layer)", "(layers.ReLU)", id="another base"),
        pytest.param("    def get_config(self):", "    def compute_mask(self, *_):\n        return None\n\n    def get_config(self):", id="more methods"),
        pytest.param("    def get_config(self):", "    autocast = False\n\n    def get_config(self):", id="a setting of the class"),
        pytest.param("@keras.saving", "keras, layers, ops = keras, layers, type('Ops', (), vars(ops))\n\n\n@keras.saving", id="other functions of the same names"),
    ],
)  # fmt: skip
def test_a_class_of_the_same_name_may_be_a_strangers(old: str, new: str) -> None:
    source = written(network(LAYERS["GeneralConv2DTranspose"][0]), "keras")
    assert old in source
    assert own.known(executed(source)["GeneralConv2DTranspose"](4, (3, 3), strides=(1, 1), padding=((0, 0), (0, 0))))
    assert not own.known(
        executed(source.replace(old, new, 1))["GeneralConv2DTranspose"](4, (3, 3), strides=(1, 1), padding=((0, 0), (0, 0)))
    )


def test_what_no_average_of_ours_counts_is_refused() -> None:
    cls = executed(written(network(LAYERS["BorderedAveragePooling2D"][0]), "keras"))["BorderedAveragePooling2D"]
    inputs = keras.Input((8, 8, 2))
    odd = cls((3, 3), strides=(2, 2), padding=((1, 1), (1, 1)), counted=((1, 0), (0, 0)), name="odd")
    with pytest.raises(PortError, match=r"BorderedAveragePooling2D\(padding=.*\) in odd"):
        from_framework(keras.Model(inputs, odd(inputs)), (2, 8, 8, 2))


@pytest.mark.parametrize(("channels_last", "shape"), [(True, (6, 13, 7)), (False, (13, 7, 6))])
def test_images_of_which_nothing_tells_how_they_lie_lie_as_they_do_in_keras(channels_last: bool, shape: tuple[int, ...]) -> None:
    from unicnn.porting.lifting import lift

    model = un.Sequential([ReLU(), un.Flatten(), un.Linear(3)], input=(6, 13, 7), name="plain")
    net = executed(written(model, "keras"))[class_name("plain")]()
    found = from_framework(net, (2, 13, 7, 6))
    assert first_difference(model, found.model) is None
    assert found.recording is not None
    assert lift(found.recording.tape, channels_last=channels_last).model.inputs == (("input", shape),)
    assert weights(model).keys() == found.weights.keys()


@pytest.mark.parametrize(
    ("op", "behind"),
    [
        pytest.param(ConvTranspose2d(3, 3, 1, ((0, 1), (1, 1))), "layers.Cropping2D(((0, 1), (1, 1))", id="cropped"),
        pytest.param(ConvTranspose2d(3, 2, 3, ((1, 0), (0, 1))), "layers.Cropping2D(", id="cropped with a stride"),
        pytest.param(ConvTranspose2d(4, 1, 1, 2, groups=2), "layers.Cropping2D(2,", id="cropped by a class of its own"),
    ],
)
def test_an_activation_stands_behind_what_a_transposed_convolution_crops(op: Op, behind: str) -> None:
    source = written(network(op), "keras")
    assert behind in source
    assert source.index(behind) < source.index("layers.ReLU(")
    _, found = read(source)
    assert first_difference(network(op), found.model) is None
    assert worst(distances(found))[1] < 1e-10
