"""The law of porting: what is read from a file that was written is the network it was written from."""

from __future__ import annotations

import importlib.util
import runpy
import tempfile
from pathlib import Path

import pytest

import unicnn as un
from unicnn import plugins
from unicnn.conformance.graphs import sample
from unicnn.errors import UnsupportedError
from unicnn.model import Model
from unicnn.porting.native import made
from unicnn.porting.normal import first_difference

DIALECTS = [
    pytest.param(info.name, id=info.name, marks=() if info.installed else pytest.mark.skip(reason=f"{info.title} is not installed"))
    for info in plugins.dialects().values()
    if importlib.util.find_spec(f"{info.package}.emitter") and importlib.util.find_spec(f"{info.package}.importer")
]
NETWORKS = {name: un.zoo.get(name) for name in un.zoo.names() if name != "vgg11"}


def shapes(model: Model, dialect: str) -> list[tuple[int, ...]]:
    last = plugins.dialect(dialect).channels_last
    return [(2, *shape[1:], shape[0]) if last and len(shape) == 3 else (2, *shape) for _, shape in model.inputs]


def read_back(model: Model, dialect: str) -> Model:
    if dialect == "keras":
        import keras

        keras.backend.clear_session()  # a file that is run by itself begins to count layers at 0
    net, load_weights = made(model, dialect)
    with tempfile.TemporaryDirectory() as folder:
        un.save_weights(un.initial_weights(un.infer(model)), f"{folder}/weights.safetensors")
        net = load_weights(net, f"{folder}/weights.safetensors") or net
    return un.from_framework(net, shapes(model, dialect), dialect=dialect).model


@pytest.mark.parametrize("dialect", DIALECTS)
class TestWhatIsWritten:
    @pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "vgg11-quarter")) for name in NETWORKS])
    def test_of_the_zoo_is_read_as_it_was(self, name: str, dialect: str) -> None:
        assert first_difference(NETWORKS[name], read_back(NETWORKS[name], dialect)) is None

    @pytest.mark.parametrize("seed", [*range(30), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 60))])
    def test_of_any_shape_is_read_as_it_was(self, seed: int, dialect: str) -> None:
        model = sample(seed).model
        try:
            found = read_back(model, dialect)
        except UnsupportedError as error:
            pytest.skip(f"refused: {error}")
        assert first_difference(model, found) is None

    def test_twice_is_the_same_text(self, dialect: str) -> None:
        assert un.emit(NETWORKS["resnet18"], dialect) == un.emit(un.zoo.resnet18(), dialect)


def test_a_difference_is_found() -> None:
    assert first_difference(un.zoo.lenet(), un.zoo.tf_cnn()) is not None
    one, two = (un.Sequential([un.Conv2d(3, 3, padding=padding)], input=(1, 8, 8)) for padding in (0, 1))
    assert "padding" in str(first_difference(one, two))
    assert first_difference(two, un.Sequential([un.Conv2d(3, 3, padding="same")], input=(1, 8, 8))) is None


def test_a_border_that_a_layer_could_put_itself_is_the_layers() -> None:
    apart = un.Sequential([("border", un.Pad(1)), ("conv", un.Conv2d(3, 3))], input=(1, 8, 8))
    assert first_difference(apart, un.Sequential([("conv", un.Conv2d(3, 3, padding=1))], input=(1, 8, 8))) is None
    around = [("border", un.Pad(1)), ("pool", un.AvgPool2d(3, padding="same", stride=2, count_include_pad=False))]
    joined = un.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)
    assert first_difference(un.Sequential(around, input=(1, 8, 8)), un.Sequential([("pool", joined)], input=(1, 8, 8))) is None
    counted = un.Sequential([("pool", un.AvgPool2d(3, stride=2, padding=((1, 2), (1, 2))))], input=(1, 8, 8))
    assert "counted" in str(first_difference(un.Sequential(around, input=(1, 8, 8)), counted))
    other = un.Sequential([("border", un.Pad(1, value=2.0)), ("conv", un.Conv2d(3, 3))], input=(1, 8, 8))
    assert first_difference(other, un.Sequential([("conv", un.Conv2d(3, 3, padding=1))], input=(1, 8, 8))) is not None


def test_windows_of_one_size_are_an_average_of_windows() -> None:
    adaptive, plain = (un.Sequential([op], input=(1, 8, 6)) for op in (un.AdaptiveAvgPool2d((4, 2)), un.AvgPool2d((2, 3))))
    assert first_difference(adaptive, plain) is None
    wider = un.Sequential([un.AdaptiveAvgPool2d((2, 2))], input=(1, 8, 6))
    assert "kernel_size (2, 3) and (4, 3)" in str(first_difference(adaptive, wider))
    uneven = un.Sequential([un.AdaptiveAvgPool2d((3, 2))], input=(1, 8, 6))
    assert "op adaptive_avg_pool2d and avg_pool2d" in str(first_difference(uneven, plain))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_file_that_is_run_by_itself_is_read_the_same(dialect: str, tmp_path: Path) -> None:
    layers = [un.Conv2d(3, 3, dilation=2), un.AdaptiveAvgPool2d((3, 4)), un.ConvTranspose2d(4, 3, groups=1, dilation=2)]
    model = un.Sequential(layers, input=(2, 6, 6))
    (tmp_path / "net.py").write_text(un.emit(model, dialect))
    plugins.dialect(dialect).importer()
    if dialect == "keras":
        import keras

        keras.backend.clear_session()
    scope = runpy.run_path(str(tmp_path / "net.py"))
    net = scope[plugins.dialect(dialect).emitter().entry(model.name)]()
    un.save_weights(un.initial_weights(un.infer(model)), tmp_path / "weights.safetensors")
    net = scope["load_weights"](net, str(tmp_path / "weights.safetensors")) or net
    assert first_difference(model, un.from_framework(net, shapes(model, dialect), dialect=dialect).model) is None
