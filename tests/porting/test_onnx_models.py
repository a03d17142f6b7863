"""Models as others make them: PyTorch's exporter, files with data beside them, graphs with names of their own."""

from __future__ import annotations

import dataclasses
import io
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.porting.proving import distances, worst
from unicnn.errors import BackendError, PortError
from unicnn.model import Layer, Model
from unicnn.ops import BatchNorm2d
from unicnn.porting.normal import first_difference
from unicnn.porting.reading import from_framework

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
importer = pytest.importorskip("unicnn_onnx.importer")
loading = pytest.importorskip("unicnn_onnx.importing.loading")
numbers = pytest.importorskip("unicnn_onnx.importing.numbers")

SMALL = """<ir_version: 9, opset_import: ["" : 17]> net (float[N,3,8,8] image) => (float[N,2] scores)
<float[4,3,3,3] W1, float[4] B1, float[4,2] W2>
{
  c = Conv<pads=[1,1,1,1]>(image, W1, B1)
  r = Relu(c)
  p = GlobalAveragePool(r)
  f = Flatten(p)
  scores = MatMul(f, W2)
}"""


def small(seed: int = 0) -> Any:
    """Return a model without any names for its nodes."""
    model = onnx.parser.parse_model(SMALL)
    rng = np.random.default_rng(seed)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer} or {"W1": [4, 3, 3, 3], "B1": [4], "W2": [4, 2]}
    del model.graph.initializer[:]
    for name, shape in shapes.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name))
    return model


# What PyTorch exports.


def torch_net() -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
            self.relu, self.conv2 = nn.ReLU(), nn.Conv2d(channels, channels, 3, padding="same")

        def forward(self, x: Any) -> Any:
            return self.relu(self.conv2(self.relu(self.bn1(self.conv1(x)))) + x)

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            parts = (nn.Conv2d(3, 8, 3), nn.GELU(), nn.MaxPool2d(2, ceil_mode=True), nn.SiLU(), nn.Hardswish(), nn.ReLU6())
            self.stem, self.layer1 = nn.Sequential(*parts), nn.Sequential(Block(8), Block(8))
            self.ln, self.fc, self.fc2 = nn.LayerNorm(7), nn.Linear(8, 5), nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            x = torch.nn.functional.adaptive_avg_pool2d(self.ln(self.layer1(self.stem(x))), 1)
            return self.fc2(torch.relu(self.fc(x.view(x.size(0), -1))))

    torch.manual_seed(0)
    net = Net().eval()
    for value in (*net.parameters(), *net.buffers()):
        if value.is_floating_point():
            value.data.uniform_(0.1, 0.5) if value.ndim == 1 else value.data.normal_(0, 0.3)
    return net


def exported(net: Any, opset: int, *, folded: bool) -> Any:
    import torch

    stream = io.BytesIO()
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3, 16, 16),), stream, dynamo=False, opset_version=opset, do_constant_folding=folded, training=mode,
            input_names=["input"], dynamic_axes={"input": {0: "N"}},
        )  # fmt: skip
    return onnx.load_from_string(stream.getvalue())


def as_onnx_says(model: Model) -> Model:
    """Return a model with the biased variance: ONNX has no other."""
    layers = [
        Layer(
            layer.name, dataclasses.replace(layer.op, running_var="biased") if isinstance(layer.op, BatchNorm2d) else layer.op, layer.inputs
        )
        for layer in model.layers
    ]
    return Model.of(model.inputs, layers, model.outputs, name=model.name)


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_an_export_of_pytorch_is_the_network_that_was_exported(opset: int) -> None:
    net = torch_net()
    direct = from_framework(net, (2, 3, 16, 16), training=False)
    imported = from_framework(exported(net, opset, folded=False), (2, 3, 16, 16))
    assert first_difference(as_onnx_says(direct.model), imported.model) is None
    assert worst(distances(imported, gradients=False))[1] < 1e-10
    assert worst(distances(imported, gradients=False, perturb="fc2.weight"))[1] > 1e-8


def test_an_export_that_merged_normalisation_keeps_the_names_of_layers() -> None:
    imported = from_framework(exported(torch_net(), 17, folded=True), (2, 3, 16, 16))
    names = [layer.name for layer in imported.model.layers]
    assert {"stem.0", "layer1.0.conv1", "layer1.0.relu1", "layer1.0.add", "layer1.0.relu2", "ln", "fc", "fc2"} <= set(names)
    assert not any("bn" in name for name in names)
    assert worst(distances(imported, gradients=False))[1] < 1e-10


def test_a_runtime_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = from_framework(small(), (2, 3, 8, 8))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert imported.recording is not None
    with pytest.raises(BackendError, match="pip install onnxruntime"):
        imported.recording.runner.run([np.zeros((2, 3, 8, 8))], [], "float32")


# Graphs without names, files.


def test_a_graph_without_names_gets_them() -> None:
    imported = from_framework(small(), (2, 3, 8, 8))
    assert [layer.name for layer in imported.model.layers] == ["conv1", "relu1", "pool1", "flatten1", "linear1"]
    assert imported.model.inputs == (("image", (3, 8, 8)),)
    assert imported.model.outputs == ((None, "linear1"),)
    assert worst(distances(imported, gradients=False))[1] < 1e-12


def test_an_original_is_left_as_it_is() -> None:
    model = small()
    before = model.SerializeToString(deterministic=True)
    imported = from_framework(model, (2, 3, 8, 8))
    assert imported.recording is not None
    imported.recording.runner.run([np.zeros((2, 3, 8, 8))], [], "float64")
    assert model.SerializeToString(deterministic=True) == before


def test_a_graph_for_one_sample_is_read_with_one() -> None:
    model = small()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    imported = from_framework(model, (1, 3, 8, 8))
    assert imported.recording is not None
    assert imported.recording.tape.inputs[0][1] == (1, 3, 8, 8)
    with pytest.raises(PortError, match="declares its input image as 1x3x8x8, not 2x3x8x8"):
        from_framework(model, (2, 3, 8, 8))


def test_a_model_in_double_is_read() -> None:
    model = small()
    held = [onnx.numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer]
    for tensor, array in zip(model.graph.initializer, held, strict=True):
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for item in (*model.graph.input, *model.graph.output):
        item.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    assert worst(distances(from_framework(model, (2, 3, 8, 8)), gradients=False))[1] < 1e-12


def test_a_function_of_the_model_is_read_through() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 17, "own" : 1]> net (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = own.twice(x) } '
        '<domain: "own", opset_import: ["" : 17]> twice (a) => (c) { b = Relu(a) c = Tanh(b) }'
    )
    assert [type(layer.op).__name__ for layer in from_framework(model, (2, 3, 8, 8)).model.layers] == ["ReLU", "Tanh"]


def test_a_file_is_read(tmp_path: Path) -> None:
    onnx.save(small(), tmp_path / "net.onnx")
    assert importer.read(tmp_path / "net.onnx") == small()


def test_a_graph_with_an_exporters_name_is_called_like_its_file(tmp_path: Path) -> None:
    model = small()
    model.graph.name = "main_graph"
    assert from_framework(model, (2, 3, 8, 8)).model.name == "net"
    onnx.save(model, tmp_path / "edges.onnx")
    assert from_framework(importer.read(tmp_path / "edges.onnx"), (2, 3, 8, 8)).model.name == "edges"


def beside(folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save(small(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    return path


def test_data_beside_a_file_is_read(tmp_path: Path) -> None:
    path = beside(tmp_path)
    assert (tmp_path / "net.data").stat().st_size > 400
    mine, theirs = (from_framework(model, (2, 3, 8, 8)).weights for model in (importer.read(path), small()))
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def damaged(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(small().SerializeToString()[:-20])
    return path


def empty(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(b"")
    return path


def bereft(folder: Path) -> Path:
    path = beside(folder)
    (folder / "net.data").unlink()
    return path


def curtailed(folder: Path) -> Path:
    path = beside(folder)
    (folder / "net.data").write_bytes(b"short")
    return path


def old(folder: Path) -> Path:
    model = small()
    model.opset_import[0].version = 12
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


FILES = [
    pytest.param(lambda folder: folder / "nowhere.onnx", "cannot be read .*Check the path", id="that is not there"),
    pytest.param(damaged, "is no ONNX model.*export it again", id="cut off"),
    pytest.param(empty, "is no ONNX model", id="without anything in it"),
    pytest.param(bereft, r"keeps its weights in net\.data, and no such file", id="without its data"),
    pytest.param(curtailed, r"its weights in net\.data cannot be read", id="whose data are cut off"),
    pytest.param(old, r"uses opset 12, .*version_converter\.convert_version", id="of an old opset"),
]


@pytest.mark.parametrize(("make", "words"), FILES)
def test_a_bad_file_is_refused_in_one_paragraph(make: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(PortError, match=words) as caught:
        importer.read(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_an_old_model_is_refused_as_an_object_too() -> None:
    model = small()
    model.opset_import[0].version = 11
    with pytest.raises(PortError, match="uses opset 11"):
        from_framework(model, (2, 3, 8, 8))


def test_half_precision_is_refused() -> None:
    model = small()
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    with pytest.raises(PortError, match="its input image holds float16.*Export the network in float32"):
        from_framework(model, (2, 3, 8, 8))


@pytest.mark.parametrize("number", [1e-5, 0.1, 1 / 6, 0.044715, 2**0.5, (2 / np.pi) ** 0.5, 3.0, -0.25, 0.2, float("inf")])
def test_a_number_is_found_again_behind_its_single(number: float) -> None:
    assert numbers.meant(float(np.float32(number))) == number


@pytest.mark.parametrize("number", [float(np.float32(np.pi / 10)), 0.1, 1 / 3])
def test_a_number_that_is_no_rounded_one_stays(number: float) -> None:
    assert numbers.meant(number) == number


def test_modules_that_an_exporter_notes_are_the_layers() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]> net (float[N,3,8,8] x) => (float[N,3,8,8] c) { a = Relu(x) b = Tanh(a) c = Relu(b) }'
    )
    notes = [("act", "torch.nn.modules.activation.ReLU"), ("block", "mine.Block"), ("act", "torch.nn.modules.activation.ReLU")]
    for node, (path, kind) in zip(model.graph.node, notes, strict=True):
        for key, value in (("name_scopes", ["", path, "call"]), ("class_hierarchy", ["mine.Net", kind, "call"])):
            node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=repr(value))
    imported = from_framework(model, (2, 3, 8, 8))
    assert [layer.name for layer in imported.model.layers] == ["act1", "block", "act2"]
    assert imported.classes == {"": "Net", "act": "ReLU", "block": "Block"}
    model.graph.node[1].metadata_props[0].value = "__import__('os')"
    assert [layer.name for layer in from_framework(model, (2, 3, 8, 8)).model.layers][1] != "block"


def test_names_of_other_tools_become_names() -> None:
    from unicnn_onnx.importing.scopes import plain, scope_of

    assert plain("model/conv1/Conv2D:0") == "model.conv1.Conv2D"
    node = onnx.helper.make_node("Conv", ["x", "model/conv1/kernel:0"], ["y"], name="model/conv1/Conv2D")
    assert scope_of(node, ["model/conv1/kernel:0"]).path == "model.conv1"
    node = onnx.helper.make_node("Relu", ["x"], ["y"], name="/layer1/layer1.0/relu_1/Relu")
    assert scope_of(node, []).path == "layer1.0.relu_1"
    node = onnx.helper.make_node("Relu", ["x"], ["17"], name="Relu_3")
    assert (scope_of(node, []).path, scope_of(node, []).own) == ("", False)
