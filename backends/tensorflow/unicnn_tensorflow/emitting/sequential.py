"""A chain of layers as keras.Sequential."""

from __future__ import annotations

from collections.abc import Iterator

from unicnn.errors import UnsupportedError
from unicnn.graph import Graph
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.lines import Line, reasoned
from unicnn.porting.outline.text import shape_comment, value
from unicnn_tensorflow.emitting.lines import expression, fitted
from unicnn_tensorflow.emitting.spelling import Spelling
from unicnn_tensorflow.emitting.steps import shown


def sequential(graph: Graph, spelling: Spelling, entry: str) -> str:
    """Return the source of a network as one chain; raise UnsupportedError if it is none."""
    model = graph.model
    _check(graph)
    ((name, shape),) = model.inputs
    label = "" if name == "input" else f", name={value(name)}"
    text = [f"keras.Input({value(native(shape))}{label}),"]
    for line in _lines(graph, spelling):
        text += [*reasoned(line), f"{expression(line, '', entry=True)},{shape_comment(line.shape)}"]
    body = ["return keras.Sequential(", "    [", *(f"        {item}" for item in text), "    ],", f"    name={value(model.name)},", ")"]
    return "\n".join([f"def {entry}():", *(fitted(f"    {line}") for line in body)])


def _lines(graph: Graph, spelling: Spelling) -> Iterator[Line]:
    for node in graph.nodes:
        steps = spelling.steps(node)
        for extra in steps.before:
            yield Line("", extra.make.callee, extra.make.arguments, spelling.label(node.name, extra.suffix), reason=extra.reason)
        shape = None if shown(node) is None else native(node.shape)
        yield Line(
            "",
            steps.make.callee,
            steps.make.arguments,
            spelling.label(node.name),
            shape=None if steps.after else shape,
            reason=steps.reason,
        )
        for extra in steps.after:
            yield Line(
                "", extra.make.callee, extra.make.arguments, spelling.label(node.name, extra.suffix), shape=shape, reason=extra.reason
            )


def _check(graph: Graph) -> None:
    model = graph.model
    names = [model.inputs[0][0], *(node.name for node in graph.nodes)]
    chain = all(node.inputs == (source,) for node, source in zip(graph.nodes, names, strict=False))
    if len(model.inputs) != 1 or not graph.nodes or not chain or model.outputs != ((None, names[-1]),):
        raise UnsupportedError(
            f"{model.name} is no chain of layers, and keras.Sequential holds nothing else. Write it in the style functional, the default."
        )
