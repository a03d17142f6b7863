"""The function that reads weights with neutral names and layouts into a network of Keras."""

from __future__ import annotations

from collections.abc import Iterator

from unicnn.graph import Graph, Node
from unicnn.ops import Conv2d, ConvTranspose2d, LayerNorm, Linear
from unicnn.porting.outline.layouts import order
from unicnn.porting.outline.text import value
from unicnn_tensorflow.emitting.convolutions import depthwise
from unicnn_tensorflow.emitting.spelling import Spelling

_ROLES = {"kernel": "weight", "bias": "bias", "gamma": "scale", "beta": "shift", "moving_mean": "mean", "moving_variance": "var"}


def load_weights(graph: Graph, spelling: Spelling) -> str:
    """Return the source of ``load_weights``: only what this network needs. Layers without names are told by their order."""
    roles = {name: role for name, role in _ROLES.items() if any(key.endswith(f".{role}") for key in graph.parameters)}
    lines = ['"""Read the weights from a safetensors file with neutral names and layouts."""']
    if not roles:
        return "\n".join(["def load_weights(net, path):", '    """Read nothing: the network has no weights."""'])
    lines += [f"roles = {{{', '.join(f'{value(name)}: {value(role)}' for name, role in roles.items())}}}", "arrays = load_file(path)"]
    lines += _rows(spelling)
    held = [node.name for node in graph.nodes if node.parameters]
    ordered = any(name in spelling.unnamed for name in held)
    if ordered:
        lines += [f"names = [{', '.join(map(value, held))}]", "held = [layer for layer in net.layers if layer.weights]"]
    lines += [
        "for name, layer in zip(names, held, strict=True):" if ordered else "for layer in net.layers:",
        "    for variable in layer.weights:",
    ]
    label = "name" if ordered else "layer.name"
    body = [f'array = arrays[f"{{{label}}}.{{roles[variable.name]}}"]', *_branches(graph, ordered), "variable.assign(array)"]
    lines += [f"        {line}" for line in body]
    return "\n".join(["def load_weights(net, path):", *(f"    {line}" for line in lines)])


def _rows(spelling: Spelling) -> Iterator[str]:
    """Yield the statements that reorder the rows of dense layers that take a flattened image."""
    found = spelling.flattened.rows
    if not found:
        return
    yield "# Images are flattened in the order H, W, C here, and in the order C, H, W there."
    if len(found) == 1:
        ((name, shape),) = found.items()
        yield f"weight = arrays[{value(f'{name}.weight')}].reshape({', '.join(map(str, (-1, *shape)))})"
        yield f"arrays[{value(f'{name}.weight')}] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)"
        return
    yield f"images = {{{', '.join(f'{value(name)}: {value(shape)}' for name, shape in found.items())}}}"
    yield "for name, shape in images.items():"
    yield '    weight = arrays[f"{name}.weight"].reshape(-1, *shape)'
    yield '    arrays[f"{name}.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)'


def _branches(graph: Graph, ordered: bool) -> Iterator[str]:
    """Yield what is done with an array before it is assigned, kind by kind."""
    branches = [*_kernels(graph.nodes), *_norms(graph.nodes, ordered)]
    for i, (condition, why, statements) in enumerate(branches):
        yield f"{'if' if i == 0 else 'elif'} {condition}:{why}"
        yield from (f"    {statement}" for statement in statements)


def _kernels(nodes: tuple[Node, ...]) -> Iterator[tuple[str, str, list[str]]]:
    if any(isinstance(node.op, Conv2d) and depthwise(node) for node in nodes):
        statements = ["rows, columns, channels, multiplier = variable.shape", "array = array.reshape(channels, multiplier, rows, columns)"]
        statements += ["array = array.transpose(2, 3, 0, 1)"]
        yield 'isinstance(layer, layers.DepthwiseConv2D) and variable.name == "kernel"', "", statements
    convolution = any((isinstance(node.op, Conv2d) and not depthwise(node)) or isinstance(node.op, ConvTranspose2d) for node in nodes)
    linear = any(isinstance(node.op, Linear) for node in nodes)
    if convolution and linear:
        yield (
            'variable.name == "kernel"',
            "  # OIHW to HWIO, or (out, in) to (in, out)",
            ["array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T"],
        )
    elif convolution:
        yield 'variable.name == "kernel"', "  # OIHW to HWIO", ["array = array.transpose(2, 3, 1, 0)"]
    elif linear:
        yield 'variable.name == "kernel"', "  # (out, in) to (in, out)", ["array = array.T"]


def _norms(nodes: tuple[Node, ...], named: bool) -> Iterator[tuple[str, str, list[str]]]:
    """Yield how the scales and shifts of a LayerNorm over several axes of an image are turned."""
    turns: dict[tuple[int, ...], list[str]] = {}
    for node in nodes:
        axes = node.attributes.get("axes", ())
        if isinstance(node.op, LayerNorm) and len(axes) > 1 and node.parameters:
            axes = list(axes)
            turned = tuple(axes.index(axis) for axis in order(len(node.shape) + 1) if axis in axes)
            if turned != tuple(range(len(axes))):
                turns.setdefault(turned, []).append(node.name)
    for turned, found in turns.items():
        several = isinstance(found, list) and len(found) > 1
        label = "name" if named else "layer.name"
        condition = f"{label} in {value(tuple(found))}" if several else f"{label} == {value(found[0])}"
        yield condition, "  # its axes: C, H, W to H, W, C" if len(turned) == 3 else "", [f"array = array.transpose{turned}"]
