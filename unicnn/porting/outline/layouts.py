"""How values lie where images have their channels last: what is flattened from them has its numbers in another order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unicnn.graph import Graph, Node
from unicnn.ops import Dropout, Flatten, Identity, Linear, LogSoftmax, Softmax
from unicnn.ops.base import Shape, family

CHANNELS_LAST = (0, 2, 3, 1)


def order(rank: int) -> tuple[int, ...]:
    """Return the order of a value of `rank` axes, batch included: axis i there is axis order[i] of ours."""
    return CHANNELS_LAST if rank == 4 else tuple(range(rank))


def place(axis: int, rank: int) -> int:
    """Return where an axis of ours is there."""
    return order(rank).index(axis)


def position(axis: int, rank: int) -> int:
    """Return where an axis of ours is there; the last one is -1."""
    found = place(axis, rank)
    return -1 if found == rank - 1 else found


def native(shape: Shape) -> Shape:
    """Return a sample's shape as it is there: 28x28x1 of 1x28x28."""
    return tuple((0, *shape)[axis] for axis in order(len(shape) + 1)[1:])


def moved(shape: Shape) -> bool:
    """Tell whether the numbers of a sample lie in another order there."""
    return len(shape) == 3 and shape[0] > 1 and shape[1] * shape[2] > 1


@dataclass(frozen=True)
class Flattened:
    """Say what becomes of flattened images.

    `rows` are the dense layers whose rows are put in another order when weights are loaded, by the shape of the image; `permuted` the
    flattenings before which the channels must come first.
    """

    rows: Mapping[str, Shape]
    permuted: frozenset[str]


def flattened(graph: Graph) -> Flattened:
    """Decide for each Flatten of an image: if nothing but dense layers depends on the order, they take it as it is there."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    outputs = {value for _, value in graph.model.outputs}
    rows: dict[str, Shape] = {}
    permuted = set()
    for node in graph.nodes:
        if isinstance(node.op, Flatten) and moved(node.input_shapes[0]):
            found = list(_readers(node, readers, outputs))
            if None in found:
                permuted.add(node.name)
            else:
                rows |= {name: node.input_shapes[0] for name in found if name is not None}
    return Flattened(rows, frozenset(permuted))


def _readers(node: Node, readers: Mapping[str, list[Node]], outputs: set[str]) -> Iterator[str | None]:
    """Yield the dense layers that take a vector, through layers that treat all numbers alike, and None for anything else."""
    if node.name in outputs:
        yield None
    for reader in readers.get(node.name, []):
        if isinstance(reader.op, Linear):
            yield reader.name
        elif family(type(reader.op)) == "activation" or isinstance(reader.op, (Dropout, Identity, Softmax, LogSoftmax)):
            yield from _readers(reader, readers, outputs)
        else:
            yield None
