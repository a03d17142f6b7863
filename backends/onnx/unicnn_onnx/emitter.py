"""Writing ONNX: a Python file that builds the graph with onnx.helper. No framework is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unicnn import ops
from unicnn.errors import UnsupportedError
from unicnn.graph import Graph
from unicnn.porting.outline import REQUIRED, Hints, outline
from unicnn.porting.outline.text import value
from unicnn.porting.outline.words import class_name, identifier
from unicnn.training.recipe import Recipe
from unicnn_onnx import pieces
from unicnn_onnx.methods import METHODS, method
from unicnn_onnx.spelling import Spelling, check_outputs
from unicnn_onnx.writing import Writer


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return one self-contained file that builds the network as a graph of ONNX."""
    if recipe is not None:
        training(recipe)
    check_outputs(graph.model.outputs)
    opset = _opset(graph)
    name, spelling = entry(graph.model.name), Spelling(graph)
    writer = Writer(outline(graph, spelling, hints), name)
    methods = _methods(graph, spelling)
    root = ["g = Graph()", *writer.root(), f"return g.model({value(graph.model.name)})"]
    parts = [
        _header(graph, name, opset, hints),
        pieces.TENSOR,
        *([pieces.WINDOW] if any("window(" in text for text in methods.values()) else []),
        *([pieces.CELLS] if "adaptive_pool" in methods else []),
        pieces.graph_class(methods, keyed=any(key is not None for key, _ in graph.model.outputs), opset=opset),
        *writer.definitions(),
        f"def {name}() -> onnx.ModelProto:\n" + "\n".join(f"    {line}" for line in root) + "\n",
        pieces.LOADING,
    ]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts)


def entry(name: str) -> str:
    """Return the name of the function that builds a network called `name`: "tf_cnn" of "tf-cnn"."""
    return identifier(name.lower(), Spelling.reserved)


def training(recipe: Recipe) -> str:
    """Refuse to write a training: a graph has no loss and no optimiser."""
    raise UnsupportedError(
        "ONNX describes inference: a graph of it has no loss and no optimiser, and ONNX Runtime does not train, so there is no training to "
        "write. Leave the recipe out, or write the training in PyTorch, Keras or Gluon and carry the weights over."
    )


def _opset(graph: Graph) -> int:
    """Return 20, the first with all operators that are written; pools that round up agree everywhere only since 22."""
    return 22 if any(node.op.fields().get("ceil_mode") for node in graph.nodes) else 20


def _header(graph: Graph, name: str, opset: int, hints: Any) -> str:
    notes = "".join(f"\n{note}\n" for note in (hints.notes if isinstance(hints, Hints) else ()))
    title = class_name(graph.model.name)
    return f'''"""{title} as a graph of ONNX, operators of opset {opset}.

With its weights, it is saved by:

    net = load_weights({name}(), "weights.safetensors")
    onnx.save(net, "{name}.onnx")
{notes}"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
'''


def _methods(graph: Graph, spelling: Spelling) -> Mapping[str, str]:
    """Return the methods that the layers of a network need, in the order of `pieces`, each with the arguments that are written."""
    used: dict[str, set[str]] = {}
    for node in graph.nodes:
        make = spelling.layer(node)
        used.setdefault(make.callee.removeprefix("g."), set()).update(
            item.name for item in make.arguments if item.default is not REQUIRED and item.written
        )
    if spelling.unbiased:
        used["batch_norm"].add("always_unbiased")
    for kind, key in ((ops.Conv2d, "conv"), (ops.ConvTranspose2d, "conv_transpose")):
        if kind in spelling.bare and key in used:
            used[key].add("always_bare")
    return {key: method(key, used[key]) for key in METHODS if key in used}
