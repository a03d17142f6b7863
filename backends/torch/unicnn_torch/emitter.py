"""Write a network as PyTorch source. Nothing of PyTorch is imported here."""

from __future__ import annotations

import importlib
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from unicnn.errors import UnsupportedError
from unicnn.graph import Graph
from unicnn.porting.outline import Hints, Outline, outline
from unicnn.porting.outline.words import class_name
from unicnn.training.recipe import Recipe
from unicnn_torch.pieces import pieces
from unicnn_torch.spelling import Spelling
from unicnn_torch.writing import definition, network

_ROLES = {"scale": "weight", "shift": "bias", "mean": "running_mean", "var": "running_var"}

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
    parts = [*(_blocks(plan)), _load(plan)]
    if recipe is not None:
        loop = _loop()
        parts += [loop.initialization(recipe), loop.training(recipe)]
    body, imports = _hoisted(parts)
    return "\n\n".join([_heading(graph, given), _imports(body, imports), body]) + "\n"


def entry(name: str) -> str:
    """Return the name of the network's class."""
    return class_name(name)


def training(recipe: Recipe) -> str:
    """Return the source of ``train``, with its imports."""
    return str(_loop().training(recipe))


def _loop() -> Any:
    try:
        return importlib.import_module("unicnn_torch.loop")
    except ModuleNotFoundError:
        raise UnsupportedError("PyTorch's training loop cannot be written by this version. Leave the recipe out.") from None


def _heading(graph: Graph, hints: Hints) -> str:
    inputs = " and ".join("x".join(map(str, shape)) for _, shape in graph.model.inputs)
    says = [f"{entry(graph.model.name)}: {graph.size:,} parameters, for inputs of {inputs}.", *hints.notes]
    wrapped = "\n\n".join(textwrap.fill(sentence, 84) for sentence in says).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{wrapped}' + ('\n"""' if "\n" in wrapped else '"""')


def _blocks(plan: Outline) -> Iterator[str]:
    written = ["\n".join(definition(item)) for item in plan.definitions] + ["\n".join(network(plan))]
    callees = set(re.findall(r"(?<![\w.])([A-Z]\w*)\(", "\n".join(written)))
    own = {item.name for item in plan.definitions} | {plan.root.name}
    yield from pieces(plan.graph, callees - own)
    yield from written


def _load(plan: Outline) -> str:
    roles = {role: name for role, name in _ROLES.items() if any(key.endswith(f".{role}") for key in plan.graph.parameters)}
    held = {name.rpartition(".")[0] for name in plan.graph.parameters}
    layers = {old: new for old, new in plan.renamed.items() if old in held}
    if not roles and not layers:
        return _PLAIN_LOAD
    tables = [f"roles = {roles!r}"] * bool(roles) + [f"layers = {layers!r}"] * bool(layers)
    layer = "layers.get(layer, layer)" if layers else "layer"
    role = "roles.get(role, role)" if roles else "role"
    return _RENAMING_LOAD % ("\n    ".join(tables), layer, role)


def _hoisted(parts: Iterable[str]) -> tuple[str, set[str]]:
    """Return the parts without the import statements that precede them, and those."""
    imports, bodies = set(), []
    for part in parts:
        lines = part.strip("\n").split("\n")
        kept = []
        for line in lines:
            if re.match(r"(import|from) ", line):
                imports.add(line)
            else:
                kept.append(line)
        bodies.append("\n".join(kept).strip("\n"))
    return "\n\n\n".join(bodies), imports


def _imports(body: str, given: set[str]) -> str:
    """Return the imports that a body needs, in the order in which isort puts them."""
    needed = given | {
        line
        for pattern, line in (
            (r"\bOrderedDict\b", "from collections import OrderedDict"),
            (r"\btorch\.", "import torch"),
            (r"\bF\.", "import torch.nn.functional as F"),
            (r"\bload_file\b", "from safetensors.torch import load_file"),
            (r"\bnn\.", "from torch import nn"),
        )
        if re.search(pattern, body)
    }
    return "\n".join(sorted(needed))
