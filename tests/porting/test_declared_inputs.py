"""A network that says what it takes is read without being told; what its one input is called makes no difference to a proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unicnn as un
from unicnn import plugins
from unicnn.errors import PortError
from unicnn.model import Layer, Model
from unicnn.ops import Conv2d, Flatten, Linear, ReLU
from unicnn.porting.finding import find_network
from unicnn.porting.imported import Imported
from unicnn.porting.normal import first_difference
from unicnn.porting.proof.matching import called_as

NET = """
import keras
from keras import layers

net = keras.Sequential([keras.Input(({size}, 7, 2)), layers.Conv2D(3, 3), layers.GlobalAveragePooling2D(), layers.Dense(4)])
"""


def keras_net(size: int | None = 8) -> Any:
    pytest.importorskip("keras")
    plugins.dialect("keras").importer()
    scope: dict[str, Any] = {}
    exec(NET.format(size=size), scope)
    return scope["net"]


class TestKeras:
    def test_a_model_says_the_shape_of_its_input(self) -> None:
        net = keras_net()
        found = un.from_framework(net)
        assert found.model.inputs == (("input", (2, 8, 7)),)
        assert first_difference(found.model, un.from_framework(net, (1, 8, 7, 2)).model) is None
        assert first_difference(found.model, un.from_framework(keras_net(None), (1, 9, 7, 2)).model) is not None

    def test_a_model_for_images_of_any_size_does_not(self) -> None:
        with pytest.raises(PortError, match="^Sequential does not say what it takes.*--input 1,1,28,28"):
            un.from_framework(keras_net(None))

    def test_every_input_is_said(self) -> None:
        importer: Any = plugins.dialect("keras").importer()
        keras_net()
        import keras

        first, second = keras.Input((4, 5, 1), name="first"), keras.Input((3,), batch_size=2, name="second")
        assert importer.shapes(keras.Model([first, second], [first, second])) == ((1, 4, 5, 1), (2, 3))
        assert importer.shapes(keras.layers.Dense(3)) is None

    def test_a_function_with_a_signature_says_it(self) -> None:
        importer: Any = plugins.dialect("keras").importer()
        tf = pytest.importorskip("tensorflow")
        signed = tf.function(lambda x: tf.nn.relu(x), input_signature=[tf.TensorSpec([None, 6])])
        assert importer.shapes(signed) == ((1, 6),)
        assert importer.shapes(tf.function(lambda x: tf.nn.relu(x))) is None
        assert importer.shapes(tf.function(lambda x: tf.nn.relu(x), input_signature=[tf.TensorSpec(None)])) is None

    def test_the_command_line_needs_no_shape_then(self, tmp_path: Path) -> None:
        net = keras_net()
        (tmp_path / "net.py").write_text(NET.format(size=8))
        (tmp_path / "open.py").write_text(NET.format(size=None))
        net.save(tmp_path / "net.keras")
        for text in ("net.py:net", "net.keras"):
            found = find_network(str(tmp_path / text))
            assert isinstance(found, Imported)
            assert found.model.inputs == (("input", (2, 8, 7)),)
        with pytest.raises(PortError, match="^net does not say what it takes"):
            find_network(str(tmp_path / "open.py:net"))


class TestOnnx:
    @pytest.mark.parametrize(
        ("declared", "wanted"),
        [
            pytest.param(["N", 2, 8, 7], ((1, 2, 8, 7),), id="any batch"),
            pytest.param([3, 2, 8, 7], ((3, 2, 8, 7),), id="a batch of three"),
            pytest.param(["N", 2, "H", 7], None, id="any height"),
            pytest.param([], None, id="a number"),
        ],
    )
    def test_a_file_says_the_shape_of_its_input(self, declared: list[Any], wanted: Any) -> None:
        onnx = pytest.importorskip("onnx")
        helper, importer = onnx.helper, plugins.dialect("onnx").importer()
        x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, declared) for name in "xy")
        weight = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [2.0])
        held = helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [1])  # old files list their weights among the inputs
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x, held], [y], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        assert importer.shapes(model) == wanted  # type: ignore[attr-defined]
        if wanted is None:
            with pytest.raises(PortError, match="does not say what it takes"):
                un.from_framework(model)
        else:
            assert un.from_framework(model).model.inputs == (("x", (2, 8, 7)),)


def test_a_module_of_pytorch_does_not_say_what_it_takes() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(PortError, match="^Linear does not say what it takes"):
        un.from_framework(torch.nn.Linear(3, 4))


def named(*inputs: str) -> Model:
    """Return a network whose inputs are called so; only the first is read."""
    layers = [Layer("conv", Conv2d(3, 3), (inputs[0],)), Layer("relu1", ReLU(), ("conv",)), Layer("flatten1", Flatten(), ("relu1",))]
    return Model.of([(name, (1, 6, 6)) for name in inputs], [*layers, Layer("fc", Linear(2), ("flatten1",))], name="net")


def imported(model: Model) -> Imported:
    return Imported(model, {}, "torch", {}, {}, (), (), {})


@pytest.mark.slow
def test_a_single_input_may_be_called_otherwise_in_the_port(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "port.py"
    file.write_text(un.emit(named("x"), "torch"))
    certificate = un.verify(named("x"), file, to="torch")
    assert certificate.proven, certificate.verdict
    assert not certificate.notes
    assert "x" in {row.name for row in certificate.gradients}


def test_an_input_is_called_as_the_originals() -> None:
    assert first_difference(named("x"), called_as(imported(named("input")), ["x"]).model) is None
    assert first_difference(named("x"), named("input")) == "the inputs are {'x': (1, 6, 6)} and {'input': (1, 6, 6)}"
    straight = Model.of([("input", (3,))], [Layer("relu1", ReLU(), ("input",))], [("same", "input"), ("other", "relu1")], name="net")
    assert called_as(imported(straight), ["x"]).model.outputs == (("same", "x"), ("other", "relu1"))
    for names in (["relu1"], ["x", "y"]):
        assert called_as(imported(named("input")), names).model == named("input")
    assert called_as(imported(named("a", "b")), ["x"]).model == named("a", "b")
