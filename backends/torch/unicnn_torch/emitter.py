"""Write a network as PyTorch source. Nothing of PyTorch is imported here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unicnn.graph import Graph
from unicnn.porting.outline import Hints, Outline, outline
from unicnn.porting.outline.files import assembled, classes_used, heading, loading
from unicnn.porting.outline.words import class_name, safe
from unicnn.training.recipe import Recipe
from unicnn_torch import loop
from unicnn_torch.emitting.pieces import pieces
from unicnn_torch.emitting.spelling import Spelling
from unicnn_torch.emitting.writing import TorchWriter

_ROLES = {"scale": "weight", "shift": "bias", "mean": "running_mean", "var": "running_var"}
_IMPORTS = (
    (r"\bOrderedDict\b", "from collections import OrderedDict"),
    (r"\btorch\.", "import torch"),
    (r"\bF\.", "import torch.nn.functional as F"),
    (r"\bload_file\b", "from safetensors.torch import load_file"),
    (r"\bnn\.", "from torch import nn"),
)

_PLAIN_LOAD = '''def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))
'''
_RENAMING_LOAD = '''def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    %s
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{%s}.{%s}"] = value
    net.load_state_dict(state)
'''


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return the source of a network, with its training if there is a recipe."""
    given = hints or Hints()
    plan = outline(graph, Spelling(), given, sequential=style == "sequential")
    parts = [*_blocks(plan), _load(plan)]
    if recipe is not None:
        parts += [loop.initialization(recipe), loop.training(recipe)]
    return assembled(heading(graph, given), parts, _IMPORTS)


def entry(name: str) -> str:
    """Return the name of the network's class."""
    return safe(class_name(name), Spelling.reserved)


def training(recipe: Recipe) -> str:
    """Return the source of ``train``, with its imports."""
    return loop.training(recipe)


def _blocks(plan: Outline) -> Iterator[str]:
    writer = TorchWriter()
    written = [*map(writer.definition, plan.definitions), writer.network(plan)]
    own = {item.name for item in plan.definitions} | {plan.root.name}
    yield from pieces(plan.graph, classes_used("\n".join(written)) - own)
    yield from written


def _load(plan: Outline) -> str:
    roles, layers = loading(plan, _ROLES)
    if not roles and not layers:
        return _PLAIN_LOAD
    tables = [f"roles = {roles!r}"] * bool(roles) + [f"layers = {layers!r}"] * bool(layers)
    layer = "layers.get(layer, layer)" if layers else "layer"
    role = "roles.get(role, role)" if roles else "role"
    return _RENAMING_LOAD % ("\n    ".join(tables), layer, role)
