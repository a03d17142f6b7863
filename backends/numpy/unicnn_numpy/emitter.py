"""Write a network as NumPy source: the layers that it has, each with its backward pass, and a class that holds them by name."""

from __future__ import annotations

from typing import Any

from unicnn.graph import Graph
from unicnn.porting.outline import Hints, outline
from unicnn.porting.outline.files import assembled, classes_used, heading
from unicnn.porting.outline.words import class_name
from unicnn.training.recipe import Recipe
from unicnn_numpy import loop
from unicnn_numpy.emitting.pieces import every, pieces
from unicnn_numpy.emitting.spelling import Spelling
from unicnn_numpy.emitting.writing import Writer

_IMPORTS = (
    (r"\bnp\.", "import numpy as np"),
    (r"\bsliding_window_view\b", "from numpy.lib.stride_tricks import sliding_window_view"),
    (r"\berf\(", "from scipy.special import erf"),
    (r"\bload_file\b", "from safetensors.numpy import load_file"),
)
_LOAD = '''def load_weights(net, path):
    """Read the weights from a safetensors file."""
    arrays = load_file(path)
    for name, parameter in net.parameters.items():
        parameter[...] = arrays[name]
'''


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return the source of a network, with its training if there is a recipe."""
    given = hints or Hints()
    network = Writer(outline(graph, Spelling(), given), entry(graph.model.name)).source()
    bases = {name for name in every() if f"({name}):" in network}
    parts = [*pieces(classes_used(network) | bases), network, _LOAD]
    if recipe is not None:
        parts += [loop.initialization(recipe), loop.training(recipe)]
    return assembled(heading(graph, given), parts, _IMPORTS)


def entry(name: str) -> str:
    """Return the name of the network's class: that of the network, unless a layer has it already."""
    found = class_name(name)
    return f"{found}Net" if found in every() else found


def training(recipe: Recipe) -> str:
    """Return the source of ``train`` alone, with its imports."""
    return loop.training(recipe)
