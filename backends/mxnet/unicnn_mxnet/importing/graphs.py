"""Running a compiled block, or a block that is a graph, one operator at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unicnn.errors import PortError
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import operators
from unicnn_mxnet.importing.survey import Placed, joined

if TYPE_CHECKING:
    from unicnn_mxnet.importing.listening import Listener


def eagerly(listener: Listener, block: Any, inputs: Sequence[Any]) -> Any:
    """Do what a hybridized block does, as if it were not."""
    if isinstance(block, mx.gluon.SymbolBlock):
        return _walked(listener, block, inputs)
    parameters = {name: item.data() for name, item in block._reg_params.items()}
    return block.hybrid_forward(mx.nd, *inputs, **parameters)


def _walked(listener: Listener, block: Any, inputs: Sequence[Any]) -> Any:
    sources, symbol = block._cached_graph
    graph = json.loads(symbol.tojson())
    nodes = graph["nodes"]
    fed = {source.name: array for source, array in zip(sources, inputs, strict=True)}
    stems, values = stems_of(nodes), dict[int, list[Any]]()
    for i, node in enumerate(nodes):
        if node["op"] == "null":
            name = node["name"]
            values[i] = [fed[name] if name in fed else block.params[name].data()]
        else:
            values[i] = _node(listener, node, stems.get(i), [values[j][k] for j, k, *_ in node["inputs"]])
    outputs = [values[i][k] for i, k, *_ in graph["heads"]]
    return outputs[0] if len(outputs) == 1 else outputs


def _node(listener: Listener, node: Mapping[str, Any], stem: str | None, operands: list[Any]) -> list[Any]:
    if node.get("subgraphs"):
        raise PortError(
            f"{node['name']} is {node['op']}, a loop or branch inside the graph, which cannot be read. Write it without control flow."
        )
    attributes = {key: value for key, value in node.get("attrs", {}).items() if not key.startswith("__")}
    keys, values = list(attributes), list(attributes.values())

    def run() -> Any:
        return mx.nd.register._imperative_invoke(operators.handle_of(node["op"]), operands, keys, values, None, False, False)

    outer = listener.place
    found = run() if stem is None else listener.within(Placed(joined(outer.path, stem), True), run)
    return found if isinstance(found, list) else [found]


def stems_of(nodes: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return what the layers in a graph are called, by the place of their node: what they all begin with is cut off.

    A layer is a node with parameters, or one that a block of Gluon made, whose name ends in "_fwd".
    """
    stems = {}
    for i, node in enumerate(nodes):
        if node["op"] != "null":
            learned = any(
                nodes[j]["op"] == "null" and nodes[j]["name"].startswith(node["name"].removesuffix("_fwd")) for j, *_ in node["inputs"]
            )
            if learned or node["name"].endswith("_fwd"):
                stems[i] = node["name"].removesuffix("_fwd")
    first, last = min(stems.values(), default=""), max(stems.values(), default="")
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    cut = first.rfind("_", 0, shared) + 1
    return {i: stem[cut:] for i, stem in stems.items()}
