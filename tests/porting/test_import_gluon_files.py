"""Graphs in files are read as data: whole ones as what they are, damaged and mismatched ones with a sentence."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer
from unicnn_mxnet.compat import mx

from unicnn.errors import PortError
from unicnn.porting.finding import find_network
from unicnn.porting.reading import from_framework, read_file

from .interpret import distance
from .proving import distances, worst
from .zoo_gluon import ready

nd, nn, sym = mx.nd, mx.gluon.nn, mx.sym


def network() -> Any:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(6, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(2), nn.Flatten(), nn.Dropout(0.4), nn.Dense(5))
    return ready(net, 2, 3, 8, 8)


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Any, Path]:
    net = network()
    net.hybridize()
    net(nd.zeros((2, 3, 8, 8)))
    mx.nd.waitall()
    net.export(str(tmp_path / "net"), epoch=3)
    return net, tmp_path / "net-symbol.json"


def module_graph(loss: Callable[..., Any], **options: Any) -> Any:
    x = sym.Convolution(sym.var("data"), kernel=(3, 3), num_filter=4, name="conv1")
    x = sym.Activation(x, act_type="relu", name="relu1")
    x = sym.FullyConnected(sym.Flatten(x), num_hidden=5, name="fc1")
    return loss(x, name="softmax", **options)


def saved(path: Path, symbol: Any, **shapes: tuple[int, ...]) -> Path:
    """Write a graph and random arrays as Module does."""
    arguments, _, states = symbol.infer_shape(**shapes)
    pairs = [*zip(symbol.list_arguments(), arguments, strict=True), *zip(symbol.list_auxiliary_states(), states, strict=True)]
    held = {f"arg:{name}": nd.random.normal(shape=shape) for name, shape in pairs if name not in shapes and not name.endswith("label")}
    symbol.save(str(path / "old-symbol.json"))
    nd.save(str(path / "old-0007.params"), held)
    return path / "old-symbol.json"


def test_an_exported_network_is_the_one_it_was_exported_from(exported: tuple[Any, Path]) -> None:
    net, path = exported
    found, source = read_file(path, (2, 3, 8, 8)), from_framework(net, (2, 3, 8, 8))
    assert [layer.op for layer in found.model.layers] == [layer.op for layer in source.model.layers]
    names = {"conv0", "batchnorm0", "pool0", "dropout0", "dense0"}
    assert names < {layer.name for layer in found.model.layers}
    assert found.origins["conv0.weight"].constant == "net_conv0_weight"
    assert worst(distances(found))[1] < 1e-10
    assert worst(distances(found, perturb="dense0.bias"))[1] > 1e-8
    for one, other in zip(found.weights.values(), source.weights.values(), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(found.weights["dense0.weight"][0], found.weights["dense0.weight"][1])


def test_a_file_of_arrays_may_be_given(exported: tuple[Any, Path], tmp_path: Path) -> None:
    _, path = exported
    (tmp_path / "net-0003.params").rename(tmp_path / "elsewhere.params")
    with pytest.raises(PortError, match="no file of arrays beside"):
        importer.read(path)
    assert importer.accepts(importer.read(path, params=tmp_path / "elsewhere.params"))


def test_a_block_that_is_a_graph_is_read_inside_another(exported: tuple[Any, Path]) -> None:
    net = nn.Sequential()
    net.add(importer.read(exported[1]), nn.Dense(3))
    found = from_framework(ready_head(net), (2, 3, 8, 8))
    assert {"0.conv0", "0.dense0", "1"} < {layer.name for layer in found.model.layers}
    assert found.origins["0.conv0.weight"].constant == "0.net_conv0_weight"
    assert worst(distances(found))[1] < 1e-10


def ready_head(net: Any) -> Any:
    net[1].initialize(mx.init.Xavier())
    return net


@pytest.mark.parametrize(
    ("loss", "options", "ends"),
    [
        pytest.param(sym.SoftmaxOutput, {}, lambda y: softmax(y), id="softmax"),
        pytest.param(sym.LinearRegressionOutput, {}, lambda y: y, id="linear regression"),
        pytest.param(sym.LogisticRegressionOutput, {}, lambda y: 1 / (1 + np.exp(-y)), id="logistic regression"),
    ],
)
def test_a_loss_at_the_end_is_what_it_returns_in_inference(tmp_path: Path, loss: Any, options: Any, ends: Any) -> None:
    block = importer.read(saved(tmp_path, module_graph(loss, **options), data=(2, 3, 6, 6)))
    recording = importer.record(block, ((2, 3, 6, 6),))
    assert recording.tape.inputs == (("input", (2, 3, 6, 6)),)
    assert [(call.path, call.own) for call in recording.tape.calls if call.op in ("conv", "linear")] == [("conv1", True), ("fc1", True)]
    scores = next(call.name for call in recording.tape.calls if call.op == "linear")
    ran = recording.runner.run([np.random.default_rng(0).normal(size=(2, 3, 6, 6))], [np.ones((2, 5))], "float64")
    assert distance(ran.outputs[0], ends(ran.values[scores])) < 1e-12
    assert distance(ran.outputs[0] * 1.001, ends(ran.values[scores])) > 1e-4


def softmax(y: Any) -> Any:
    raised = np.exp(y - y.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def test_a_loss_with_classes_along_the_channels_is_a_softmax_along_them(tmp_path: Path) -> None:
    x = sym.Convolution(sym.var("data"), kernel=(1, 1), num_filter=4, name="conv1")
    path = saved(tmp_path, sym.SoftmaxOutput(x, multi_output=True, name="softmax"), data=(2, 3, 6, 6))
    last = importer.record(importer.read(path), ((2, 3, 6, 6),)).tape.calls[-1]
    assert (last.op, dict(last.attributes)) == ("softmax", {"axis": 1})


def test_arrays_in_a_file_are_those_that_mxnet_reads(tmp_path: Path) -> None:
    from unicnn_mxnet.importing.arrays import arrays_in

    held = {"a": nd.random.normal(shape=(2, 3)), "b": nd.arange(5).astype("int32"), "c": nd.ones((1, 2, 3, 4)).astype("float64")}
    nd.save(str(tmp_path / "x.params"), held)
    found = arrays_in(tmp_path / "x.params")
    assert found.keys() == held.keys()
    for name, array in held.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name].asnumpy(), array.asnumpy())
    assert not np.array_equal(found["a"].asnumpy()[0], held["a"].asnumpy()[1])


@pytest.mark.parametrize("place", [0, 7, 8, 20, 24, 30, 60, 100, -1, -9], ids=lambda place: f"cut at {place}")
def test_a_file_of_arrays_that_was_cut_is_refused(exported: tuple[Any, Path], tmp_path: Path, place: int) -> None:
    params = tmp_path / "net-0003.params"
    params.write_bytes(params.read_bytes()[:place])
    with pytest.raises(PortError, match=r"net-0003.params is not a file of arrays of MXNet, or it is damaged"):
        importer.read(exported[1])


@pytest.mark.parametrize(
    ("place", "number"),
    [
        pytest.param(0, b"\x13", id="another kind of file"),
        pytest.param(16, struct.pack("<Q", 2**60), id="more arrays than bytes"),
        pytest.param(24 + 8, struct.pack("<i", 99), id="99 axes"),
        pytest.param(24 + 12, struct.pack("<q", 2**50), id="an axis without end"),
        pytest.param(24 + 12, struct.pack("<q", -1), id="a negative axis"),
        pytest.param(24 + 4, struct.pack("<i", 1), id="a sparse array"),
    ],
)
def test_a_damaged_file_of_arrays_is_refused(exported: tuple[Any, Path], tmp_path: Path, place: int, number: bytes) -> None:
    params = tmp_path / "net-0003.params"
    data = bytearray(params.read_bytes())
    data[place : place + len(number)] = number
    params.write_bytes(bytes(data))
    with pytest.raises(PortError, match="is not a file of arrays of MXNet, or it is damaged"):
        importer.read(exported[1])


def test_every_byte_of_the_headers_may_be_wrong_without_a_crash(exported: tuple[Any, Path], tmp_path: Path) -> None:
    params = tmp_path / "net-0003.params"
    whole, refused = params.read_bytes(), 0
    for place in range(64):
        data = bytearray(whole)
        data[place] ^= 0xFF
        params.write_bytes(bytes(data))
        try:
            importer.read(exported[1])
        except PortError:
            refused += 1
    assert refused >= 40  # the rest says on which device an array was, or is reserved, or is a value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda graph: "{", "is not a graph of MXNet, or it is damaged", id="no JSON"),
        pytest.param(lambda graph: "[]", "is not a graph of MXNet", id="another JSON"),
        pytest.param(lambda graph: json.dumps({**graph, "heads": []}), "is not a graph of MXNet", id="no outputs"),
        pytest.param(
            lambda graph: json.dumps({**graph, "heads": [[999, 0, 0]]}), "is not a graph of MXNet", id="an output that is not there"
        ),
        pytest.param(lambda graph: edited(graph, 3, inputs=[[3, 0, 0]]), "is not a graph of MXNet", id="a loop"),
        pytest.param(lambda graph: edited(graph, 3, op="Convolutoin"), "uses Convolutoin", id="an unknown operator"),
        pytest.param(lambda graph: edited(graph, 3, op="Custom"), "uses Custom", id="an operator of Python's"),
        pytest.param(
            lambda graph: edited(graph, 3, attrs={"kernel": "many"}), "is not a graph that MXNet takes", id="a senseless attribute"
        ),
        pytest.param(lambda graph: edited(graph, 1, name="net_conv9_weight"), "has no net_conv9_weight", id="a weight that is missing"),
    ],
)
def test_a_damaged_graph_is_refused(exported: tuple[Any, Path], change: Any, words: str) -> None:
    path = exported[1]
    graph = json.loads(path.read_text())
    assert [node["op"] for node in graph["nodes"]][3] == "Convolution"
    path.write_text(change(graph))
    with pytest.raises(PortError, match=words):
        importer.read(path)


def edited(graph: dict[str, Any], place: int, **changes: Any) -> str:
    graph["nodes"][place] |= changes
    return json.dumps(graph)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param("arg:net_conv0_weight", (6, 3, 5, 5), id="a larger kernel"),
        pytest.param("arg:net_batchnorm0_beta", (7,), id="a channel more"),
        pytest.param("arg:net_dense0_bias", (1, 5), id="an axis more"),
    ],
)
def test_arrays_of_another_network_are_refused(exported: tuple[Any, Path], tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    params = tmp_path / "net-0003.params"
    held = nd.load(str(params))
    nd.save(str(params), {**held, name: nd.zeros(shape)})
    with pytest.raises(PortError, match=f"{name.partition(':')[2]} is of shape"):
        importer.read(exported[1])


def test_arrays_of_another_network_are_refused_also_where_the_graph_says_no_shapes(tmp_path: Path) -> None:
    path = saved(tmp_path, module_graph(sym.SoftmaxOutput), data=(2, 3, 6, 6))
    held = nd.load(str(tmp_path / "old-0007.params"))
    nd.save(str(tmp_path / "old-0007.params"), {**held, "arg:conv1_weight": nd.zeros((4, 3, 5, 5))})
    with pytest.raises(PortError, match="conv1_weight is of shape"):
        importer.read(path)


def test_a_graph_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="does not exist"):
        importer.read(tmp_path / "none-symbol.json")


LENET = """
import mxnet as mx
from mxnet import nd
W1, b1 = nd.ones((4, 1, 3, 3)), nd.zeros(4)
W2 = nd.ones((4, 2))
for array in (W1, b1, W2):
    array.attach_grad()
def hidden(x):
    return nd.relu(nd.Convolution(x, W1, b1, kernel=(3, 3), num_filter=4))
def net(x):
    return nd.dot(nd.mean(hidden(x), axis=(2, 3)), W2)
def block():
    made = mx.gluon.nn.HybridSequential()
    made.add(mx.gluon.nn.Conv2D(4, 3), mx.gluon.nn.Dense(2))
    return made
"""


def test_networks_in_a_python_file_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(LENET)
    found = find_network(f"{tmp_path / 'nets.py'}:net", (2, 1, 6, 6))
    assert {name: origin.constant for name, origin in found.origins.items()} == {
        "conv1.weight": "W1", "conv1.bias": "b1", "linear1.weight": "W2",
    }  # fmt: skip
    wheres = {str(call.where).partition(" ")[0] for call in found.recording.tape.calls}
    assert wheres == {f"{tmp_path / 'nets.py'}:9", f"{tmp_path / 'nets.py'}:11"}


def test_a_block_in_a_python_file_takes_the_arrays_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(LENET)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.Dense(2))
    ready(net, 2, 1, 6, 6).save_parameters(str(tmp_path / "net.params"))
    found = find_network(f"{tmp_path / 'nets.py'}:block", (2, 1, 6, 6), params=tmp_path / "net.params")
    weights = {origin.constant: found.weights[name] for name, origin in found.origins.items()}
    assert np.array_equal(weights["1.weight"], net[1].weight.data().asnumpy())
    nd.save(str(tmp_path / "net.params"), {"0.weight": nd.zeros((4, 1, 3, 3))})
    with pytest.raises(PortError, match="its 1 arrays are not those of HybridSequential"):
        find_network(f"{tmp_path / 'nets.py'}:block", (2, 1, 6, 6), params=tmp_path / "net.params")


def test_arrays_of_a_file_go_into_no_function(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="into a block of Gluon"):
        importer.load_parameters(lambda x: nd.relu(x), tmp_path / "net.params")
