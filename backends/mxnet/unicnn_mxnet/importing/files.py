"""Reading what Gluon and Module write: a graph in a JSON file, and its arrays in a binary file beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unicnn.errors import PortError
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import operators
from unicnn_mxnet.importing.arrays import arrays_in
from unicnn_mxnet.importing.heard import plain

_SYMBOL = "-symbol.json"
_ENDS = {"SoftmaxOutput", "Softmax", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"}


def network(path: Path, params: Path | str | None = None) -> Any:
    """Return the network in ``NAME-symbol.json`` as a SymbolBlock with the arrays of ``NAME-0000.params``, or of `params`.

    A loss at the end, as Module's networks have it, becomes what it returns in inference: softmax for SoftmaxOutput.
    """
    graph = _graph(path)
    held = arrays_in(_params_of(path) if params is None else Path(params))
    arrays = {name.partition(":")[2] if name[:4] in ("arg:", "aux:") else name: array for name, array in held.items()}
    for node in graph["nodes"]:
        _without_loss(graph, node)
    symbol = _loaded(path, graph)
    _check_shapes(path, graph, arrays)
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    inputs = [name for name in names if name not in arrays]
    if not inputs:
        raise PortError(
            f"{path.name}: every variable of the graph has values in the file of arrays, so no input is left. Check which files belong together."
        )
    _check_inputs(path, inputs)
    kind = next((array.dtype for array in arrays.values()), "float32")
    block = mx.gluon.SymbolBlock(symbol, [mx.sym.var(name, dtype=kind) for name in inputs])
    _fill(block, arrays)
    return block


def load_into(block: Any, path: Path) -> Any:
    """Return a block with the arrays of a file that save_parameters, or export, wrote for it."""
    held = arrays_in(path)
    try:
        block.load_parameters(str(path))
    except (AssertionError, ValueError, mx.MXNetError) as error:
        why = " ".join(str(error).split()).partition(", which contains")[0]
        raise PortError(
            f"{path.name}: its {len(held)} arrays are not those of {type(block).__name__}: {why} Give the file that was written with it."
        ) from None
    return block


def _graph(path: Path) -> dict[str, Any]:
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
        nodes, heads = graph["nodes"], graph["heads"]
        for i, node in enumerate(nodes):
            sound = isinstance(node["op"], str) and isinstance(node["name"], str)
            if not sound or not all(0 <= int(entry[0]) < i and int(entry[1]) >= 0 for entry in node["inputs"]):
                raise ValueError(f"node {i}")
        if not all(0 <= int(entry[0]) < len(nodes) for entry in heads) or not heads:
            raise ValueError("heads")
    except FileNotFoundError:
        raise PortError(f"{path} does not exist. Give the file that net.export(name) writes, name{_SYMBOL}.") from None
    except (KeyError, TypeError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise PortError(
            f"{path.name} is not a graph of MXNet, or it is damaged ({type(error).__name__}: {error}). Write it anew with net.export(name)."
        ) from None
    unknown = sorted({node["op"] for node in nodes} - operators.names() - {"null"} | ({"Custom"} & {node["op"] for node in nodes}))
    if unknown:
        raise PortError(
            f"{path.name} uses {', '.join(unknown)}, which MXNet {mx.__version__} does not have by itself, so it cannot be read."
        )
    return graph  # type: ignore[no-any-return]


def _loaded(path: Path, graph: dict[str, Any]) -> Any:
    try:
        return mx.sym.load_json(json.dumps(graph))
    except mx.MXNetError as error:
        raise PortError(f"{path.name} is not a graph that MXNet takes: {str(error).strip().splitlines()[-1]}. Write it anew.") from None


def _without_loss(graph: dict[str, Any], node: dict[str, Any]) -> None:
    """Make of a loss what it returns; its label is no input then."""
    if node["op"] not in _ENDS:
        return
    key = next((key for key in ("attrs", "attr", "param") if key in node), "attrs")
    attributes, op = node.get(key) or {}, node["op"]
    node["inputs"] = node["inputs"][:1]
    if op.startswith("Softmax"):
        several = str(attributes.get("multi_output", "False")) in ("True", "1")
        node["op"], node[key] = ("softmax", {"axis": "1" if several else "-1"})
    else:
        node["op"], node[key] = ("sigmoid" if op.startswith("Logistic") else "identity"), {}


def _check_inputs(path: Path, inputs: list[str]) -> None:
    learned = [name for name in inputs if name.endswith(("_weight", "_bias", "_gamma", "_beta", "_mean", "_var"))]
    if learned:
        raise PortError(
            f"{path.name}: the file of arrays has no {learned[0]}, so it does not belong to this graph, or it is not whole. "
            "Give the file that was written with it, params='NAME-0000.params'."
        )


def _params_of(path: Path) -> Path:
    stem = path.name.removesuffix(_SYMBOL)
    found = sorted(path.parent.glob(f"{glob_safe(stem)}-[0-9][0-9][0-9][0-9].params"))
    if not found:
        raise PortError(
            f"There is no file of arrays beside {path.name}: {stem}-0000.params. net.export('{stem}') writes both; or give it, params='FILE'."
        )
    return found[-1]


def glob_safe(text: str) -> str:
    """Return a text in which no character is a wildcard."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _wanted(graph: dict[str, Any], arrays: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield what the graph says of the shapes of its arrays; 0 stands for a size that it does not say."""
    nodes = graph["nodes"]
    for node in nodes:
        attributes = {key: plain(value) for key, value in (node.get("attrs") or {}).items()}
        if node["op"] == "null" and isinstance(attributes.get("__shape__"), tuple):
            yield node["name"], attributes["__shape__"]
        elif node["op"] == "Convolution" and isinstance(attributes.get("kernel"), tuple):
            yield nodes[node["inputs"][1][0]]["name"], (attributes.get("num_filter", 0), 0, *attributes["kernel"])
        elif node["op"] == "FullyConnected":
            yield nodes[node["inputs"][1][0]]["name"], (attributes.get("num_hidden", 0), 0)
        elif node["op"] == "BatchNorm":  # its four arrays are of one shape
            names = [nodes[place]["name"] for place, *_ in node["inputs"][1:]]
            yield from ((name, arrays[names[0]].shape) for name in names if names[0] in arrays)


def _check_shapes(path: Path, graph: dict[str, Any], arrays: dict[str, Any]) -> None:
    for name, wanted in _wanted(graph, arrays):
        shape = arrays[name].shape if name in arrays else wanted
        if len(shape) != len(wanted) or any(size not in (0, -1, found) for size, found in zip(wanted, shape, strict=True)):
            raise PortError(
                f"{path.name}: {name} is of shape {wanted} in the graph and {shape} in the file of arrays. Give the file that was written with it."
            )


def _fill(block: Any, arrays: dict[str, Any]) -> None:
    for name, parameter in block.params.items():
        parameter.shape, parameter.dtype = arrays[name].shape, arrays[name].dtype
        parameter.initialize(mx.init.Zero())
        parameter.set_data(arrays[name])
