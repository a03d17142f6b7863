"""Write a network as Keras source. Nothing of Keras or TensorFlow is imported here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from unicnn.errors import UnsupportedError
from unicnn.graph import Graph
from unicnn.ops.fields import by
from unicnn.porting.outline import Hints, outline
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.words import class_name
from unicnn.training.recipe import Recipe
from unicnn_tensorflow.emitting.classes import classes
from unicnn_tensorflow.emitting.folding import folded
from unicnn_tensorflow.emitting.loading import load_weights
from unicnn_tensorflow.emitting.sequential import sequential
from unicnn_tensorflow.emitting.spelling import Spelling
from unicnn_tensorflow.emitting.writing import Writer


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return the source of a network, with its training if there is a recipe."""
    given = hints or Hints()
    apart = Spelling(graph)
    joined = folded(graph, apart.plain, apart.whole)
    short, spelling = joined.graph, Spelling(joined.graph, joined.unnamed)
    parts = [*_network(short, spelling, given, style), load_weights(short, spelling)]
    parts = [*classes(_callees(parts)), *parts]
    if recipe is not None:
        loop = _loop()
        parts += [loop.initialization(recipe), loop.training(recipe)]
    body, imports = _hoisted(parts)
    return "\n\n".join([_heading(graph, given), _imports(body, imports), body]) + "\n"


def entry(name: str) -> str:
    """Return the name of the function that makes the network: it is called as if it were a class, as in keras.applications."""
    return class_name(name)


def training(recipe: Recipe) -> str:
    """Return the source of ``train``, with its imports."""
    return str(_loop().training(recipe))


def _network(graph: Graph, spelling: Spelling, hints: Hints, style: str) -> Iterator[str]:
    called = entry(graph.model.name)
    if style == "sequential":
        yield sequential(graph, spelling, called)
        return
    writer = Writer(outline(graph, spelling, hints), spelling, called)
    yield from writer.definitions()
    yield writer.source()


def _loop() -> Any:
    try:
        return importlib.import_module("unicnn_tensorflow.loop")
    except ModuleNotFoundError:
        raise UnsupportedError("Keras' training loop cannot be written by this version. Leave the recipe out.") from None


def _heading(graph: Graph, hints: Hints) -> str:
    inputs = " and ".join(by(native(shape)) for _, shape in graph.model.inputs)
    lines = [f'"""{entry(graph.model.name)}: {graph.size:,} parameters, for inputs of {inputs}.']
    lines += [f"\n{note}" for note in hints.notes]
    return "\n".join(lines) + ('\n"""' if hints.notes else '"""')


def _callees(parts: Iterable[str]) -> set[str]:
    return set(re.findall(r"(?<![\w.])([A-Z]\w*)\(", "\n".join(parts)))


def _hoisted(parts: Iterable[str]) -> tuple[str, set[str]]:
    """Return the parts without the import statements that precede them, and those."""
    imports, bodies = set(), []
    for part in parts:
        lines = part.strip("\n").split("\n")
        imports |= {line for line in lines if re.match(r"(import|from) ", line)}
        bodies.append("\n".join(line for line in lines if not re.match(r"(import|from) ", line)).strip("\n"))
    return "\n\n\n".join(bodies), imports


def _imports(body: str, given: set[str]) -> str:
    """Return the imports that a body needs, sorted."""
    used = [name for name in ("layers", "ops") if re.search(rf"(?<![\w.]){name}\.", body)]
    given = given | {"import keras"} | ({f"from keras import {', '.join(used)}"} if used else set())
    given |= {"from safetensors.numpy import load_file"} if "load_file(" in body else set()
    return "\n".join(sorted(given))
