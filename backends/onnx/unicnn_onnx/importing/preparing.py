"""A graph made ready to be walked: functions of its own written out, and nothing in it that no output needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import inliner

from unicnn.errors import PortError

NAMELESS = {"", "main_graph", "main", "graph", "torch_jit", "torch-jit-export", "tf2onnx"}
"""Names that exporters give to every graph."""
_FLOATING = {onnx.TensorProto.FLOAT: "float", onnx.TensorProto.DOUBLE: "double"}
_NAMES = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}


@dataclass(frozen=True)
class Prepared:
    """Hold a graph: nodes with their numbers in the file, tensors by name, inputs with the shapes asked for, names of outputs."""

    name: str
    model: onnx.ModelProto
    nodes: tuple[tuple[int, onnx.NodeProto], ...]
    tensors: Mapping[str, onnx.TensorProto]
    inputs: tuple[tuple[str, tuple[int, ...], int], ...]
    """Name, shape and type of each."""
    outputs: tuple[str, ...]


def declared(model: onnx.ModelProto) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of the inputs that a model declares, for a batch of one where any will do; None if other sizes are left open."""
    held = {tensor.name for tensor in model.graph.initializer}
    found = []
    for item in model.graph.input:
        if item.name not in held:
            sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in item.type.tensor_type.shape.dim]
            found.append((sizes[0] or 1, *sizes[1:]) if sizes else (0,))
    return tuple(found) if found and all(all(shape) for shape in found) else None


def prepared(model: onnx.ModelProto, shapes: Sequence[tuple[int, ...]]) -> Prepared:
    """Return the graph of a model for inputs of these shapes."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    if graph.sparse_initializer:
        raise PortError(f"{graph.name}: keeps sparse weights, which cannot be read. Save them as dense initializers.")
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    given = [item for item in graph.input if item.name not in tensors]
    outputs = tuple(item.name for item in graph.output)
    return Prepared(
        "net" if graph.name in NAMELESS else graph.name,
        model,
        _needed(graph.node, outputs),
        tensors,
        tuple(_inputs(graph.name, given, shapes)),
        outputs,
    )


def _inputs(graph: str, given: Sequence[onnx.ValueInfoProto], shapes: Sequence[tuple[int, ...]]) -> list[tuple[str, tuple[int, ...], int]]:
    if len(given) != len(shapes):
        raise PortError(
            f"{graph}: takes {len(given)} inputs ({', '.join(item.name for item in given)}), and {len(shapes)} shapes were given. "
            "Give one shape for each."
        )
    result = []
    for item, shape in zip(given, shapes, strict=True):
        tensor = item.type.tensor_type
        if tensor.elem_type not in _FLOATING:
            raise PortError(
                f"{graph}: its input {item.name} holds {_NAMES.get(tensor.elem_type, 'no tensor')}, and only images and vectors of float or "
                "double can be ported. Export the network in float32."
            )
        if tensor.HasField("shape"):
            _check_declared(item.name, [dim.dim_value if dim.HasField("dim_value") else 0 for dim in tensor.shape.dim], shape)
        result.append((item.name, shape, tensor.elem_type))
    return result


def _check_declared(name: str, declared: Sequence[int], shape: tuple[int, ...]) -> None:
    """Raise ValueError if the file fixes other sizes; whoever asked may ask for another batch."""
    if len(declared) != len(shape) or any(size not in (0, wanted) for size, wanted in zip(declared, shape, strict=True)):
        sizes = "x".join(str(size or "any") for size in declared)
        raise ValueError(f"the graph declares its input {name} as {sizes}, not {'x'.join(map(str, shape))}")


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> tuple[tuple[int, onnx.NodeProto], ...]:
    wanted, kept = set(outputs), []
    for place in range(len(nodes) - 1, -1, -1):
        node = nodes[place]
        if wanted.intersection(node.output):
            kept.append((place, node))
            wanted.update(node.input)
    return tuple(reversed(kept))
