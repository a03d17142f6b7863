"""Writing ONNX: a Python file that builds the graph with onnx.helper. No framework is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unicnn import ops
from unicnn.errors import UnsupportedError
from unicnn.graph import Graph
from unicnn.porting.outline import Hints, outline
from unicnn.porting.outline.text import value
from unicnn.porting.outline.words import class_name, identifier
from unicnn.training.recipe import Recipe
from unicnn_onnx import pieces
from unicnn_onnx.spelling import Spelling, check_outputs
from unicnn_onnx.writing import Writer


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return one self-contained file that builds the network as a graph of ONNX."""
    if recipe is not None:
        training(recipe)
    check_outputs([name for key, name in graph.model.outputs if key is None])
    name, spelling = entry(graph.model.name), Spelling()
    writer = Writer(outline(graph, spelling, hints), name)
    methods = _methods(graph, spelling)
    root = ["g = Graph()", *writer.root(), f"return g.model({value(graph.model.name)})"]
    parts = [
        _header(graph, name, hints),
        pieces.graph_class(methods),
        pieces.INFO,
        *([pieces.WINDOWS] if "adaptive_pool" in methods else []),
        *writer.definitions(),
        f"def {name}() -> onnx.ModelProto:\n" + "\n".join(f"    {line}" for line in root) + "\n",
        pieces.LOADING,
    ]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts)


def entry(name: str) -> str:
    """Return the name of the function that builds a network called `name`: "tf_cnn" of "tf-cnn"."""
    return identifier(name.lower(), Spelling.reserved | {"windows", "pieces"})


def training(recipe: Recipe) -> str:
    """Refuse to write a training: a graph has no loss and no optimiser."""
    raise UnsupportedError(
        "ONNX describes inference: a graph of it has no loss and no optimiser, and ONNX Runtime does not train, so there is no training to "
        "write. Leave the recipe out, or write the training in PyTorch, Keras or Gluon and carry the weights over."
    )


def _header(graph: Graph, name: str, hints: Any) -> str:
    notes = "".join(f"\n{note}\n" for note in (hints.notes if isinstance(hints, Hints) else ()))
    title = class_name(graph.model.name)
    return f'''"""{title} as a graph of ONNX, operators of opset 20.

    net = load_weights({name}(), "weights.safetensors")
    onnx.save(net, "{name}.onnx")
{notes}"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
'''


def _methods(graph: Graph, spelling: Spelling) -> Mapping[str, str]:
    """Return the methods that the layers of a network need, in the order of `pieces`."""
    used = {spelling.layer(node).callee for node in graph.nodes}
    found = {key: text for key, text in pieces.METHODS.items() if key in used}
    norms = [node.op for node in graph.nodes if isinstance(node.op, ops.BatchNorm2d)]
    if norms:
        unbiased = {norm.running_var == "unbiased" for norm in norms}
        amount = "some" if len(unbiased) == 2 else "all" if True in unbiased else "none"
        found["batch_norm"] = pieces.batch_norm(all(norm.scale and norm.shift for norm in norms), amount)
    return found
