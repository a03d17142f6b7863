"""Write a network as Flax NNX source. Nothing of JAX or Flax is imported here."""

from __future__ import annotations

import textwrap
from typing import Any

from unicnn.graph import Graph
from unicnn.porting.naming import scope_of
from unicnn.porting.outline import Hints, outline
from unicnn.porting.outline.files import assembled
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.words import class_name, stem
from unicnn.training.recipe import Recipe
from unicnn_jax import loop
from unicnn_jax.emitting.loading import load_weights
from unicnn_jax.emitting.pieces import pieces
from unicnn_jax.emitting.spelling import Spelling
from unicnn_jax.emitting.writing import NnxWriter

_IMPORTS = (
    (r"\bpartial\(", "from functools import partial"),
    (r"\breduce\(", "from functools import reduce"),
    (r"\bjax\.", "import jax"),
    (r"\bjnp\.", "import jax.numpy as jnp"),
    (r"\bnp\.", "import numpy as np"),
    (r"\bnnx\.", "from flax import nnx"),
    (r"\bload_file\(", "from safetensors.numpy import load_file"),
)


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return the source of a network, with its training if there is a recipe."""
    given, spelling, writer = hints or Hints(), Spelling(graph), NnxWriter()
    plan = outline(graph, spelling, _classes(graph, given, spelling))
    blocks = [*map(writer.definition, plan.definitions), writer.network(plan)]
    source = "\n".join(blocks)
    parts = [*pieces(source), *blocks, load_weights(plan, spelling, source)]
    if recipe is not None:
        parts += [loop.initialization(recipe), loop.training(recipe)]
    return assembled(_heading(graph, given), parts, _IMPORTS)


def entry(name: str) -> str:
    """Return the name of the network's class."""
    return class_name(name)


def training(recipe: Recipe) -> str:
    """Return the source of ``train``, with its imports."""
    return loop.training(recipe)


def _classes(graph: Graph, hints: Hints, spelling: Spelling) -> Hints:
    """Return the hints with a class for every scope whose members have names, since those of nnx.Sequential have none.

    What is built alike has one class, whatever its places are called.
    """
    classes = dict(hints.classes)
    members = _members(graph)
    free = [
        path
        for path, found in members.items()
        if not all(name.partition(".")[0].isdigit() for name, _ in found) and classes.get(path, "Sequential") in spelling.sequences
    ]
    stems: dict[tuple[tuple[str, type], ...], set[str]] = {}
    for path in free:
        stems.setdefault(members[path], set()).add(stem(path))
    return Hints(classes | {path: "Block" if len(stems[members[path]]) > 1 else stem(path) for path in free}, hints.notes)


def _members(graph: Graph) -> dict[str, tuple[tuple[str, type], ...]]:
    """Return the layers in each scope, by their names within it, and what they are."""
    found: dict[str, tuple[tuple[str, type], ...]] = {}
    for node in graph.nodes:
        scope = scope_of(node.name)
        while scope:
            found[scope] = (*found.get(scope, ()), (node.name[len(scope) + 1 :], type(node.op)))
            scope = scope_of(scope)
    return found


def _heading(graph: Graph, hints: Hints) -> str:
    inputs = " and ".join("x".join(map(str, native(shape))) for _, shape in graph.model.inputs)
    says = [f"{class_name(graph.model.name)}: {graph.size:,} parameters, for inputs of {inputs}.", *hints.notes]
    wrapped = "\n\n".join(textwrap.fill(sentence, 84) for sentence in says).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{wrapped}' + ('\n"""' if "\n" in wrapped else '"""')
