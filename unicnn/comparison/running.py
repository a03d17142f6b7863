"""Running a network on several backends and judging every layer of each on the inputs that backend itself had."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.comparison.judge import Judgement, judge
from unicnn.comparison.result import Absent, Comparison, Pair, Participant, Row
from unicnn.errors import InputError
from unicnn.fingerprint import digest
from unicnn.graph import Graph, Node, computed_op, infer
from unicnn.initializers import Rules, initial_weights
from unicnn.lowering import edge, probes
from unicnn.model import Model
from unicnn.numerics import bounds
from unicnn.numerics import numerics as find_numerics
from unicnn.numerics.ball import Ball
from unicnn.ops.loss import Loss
from unicnn.program import Program, Trace, check_memory, find_loss, lower

Array: TypeAlias = np.ndarray[Any, Any]


def compare(
    model: Model,
    x: Any,
    labels: Any = None,
    backends: Sequence[str] | None = None,
    *,
    device: str = "cpu",
    numerics: str = "native",
    seed: int = 0,
    init: str | Rules = "torch",
    weights: Mapping[str, Array] | None = None,
    loss: str | Loss = "cross_entropy",
    mode: str = "inference",
    samples: str = "samples",
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Run `model` on every backend with the same weights and the same `x`, and judge every layer; with `labels`, every gradient too.

    Each op is judged against the float64 oracle on the inputs that the backend itself had, by a bound that every
    correct implementation keeps; under identical numerics the bytes of all backends must be the same, too. `backends` are all that can be used unless named; those that cannot are listed with
    the reason. `samples` says in words what `x` is, and `progress` is told what is being done.
    """
    graph = infer(model)
    check_memory(graph, find_numerics(numerics))
    drawn = initial_weights(graph, seed, init) if weights is None else weights
    names = plugins.usable() if backends is None else tuple(dict.fromkeys(backends))
    if not names:
        raise InputError("There is no backend to compare. Install one: pip install unicnn-numpy.")
    wanted = None if labels is None else find_loss(loss)
    runs: dict[str, _Run] = {}
    for name in names:
        progress(f"running {name}")
        program = lower(model, name, device, numerics, seed, weights=drawn)
        runs[name] = _Run(program, x, labels, wanted, mode)
    judged = {name: _judged(run, name, progress) for name, run in runs.items()}
    first = next(iter(runs.values()))
    return Comparison(
        model.name,
        numerics,
        first.batch,
        samples,
        tuple(_participant(name, device) for name in names),
        _absent() if backends is None else (),
        tuple(_rows(graph, {name: layers for name, (layers, _) in judged.items()})),
        tuple(_rows(graph, {name: gradients for name, (_, gradients) in judged.items()})),
        tuple(_pairs(model, {name: run.outputs for name, run in runs.items()})),
    )


class _Run:
    """Hold what one backend computed, as arrays."""

    def __init__(self, program: Program, x: Any, labels: Any, loss: Loss | None, mode: str) -> None:
        self.program, self.graph, self.loss, self.training = program, program.graph, loss, mode == "training"
        self.parameters = program.weights()
        self.labels = None if labels is None else np.asarray(labels)
        self.trace: Trace | None = None
        if loss is not None and labels is not None:
            self.trace = program.trace(x, labels, loss, mode=mode)
            self.outputs = self.trace.outputs
        else:
            self.outputs = program.outputs(x, mode=mode)
        names = [name for name, _ in self.graph.model.inputs]
        given = x if isinstance(x, Mapping) else dict(zip(names, x if isinstance(x, (tuple, list)) else (x,), strict=True))
        self.values: dict[str, Array] = {name: np.asarray(value) for name, value in given.items()} | self.outputs
        self.batch = len(next(iter(self.values.values())))
        self.readers = probes(self.graph)

    def operands(self, node: Node) -> list[Array | None]:
        """Return what the lowering of `node` received."""
        operands: list[Array | None] = [self.values[source] for source in node.inputs]
        if node.op.masked and self.training:
            operands.append(self.program.masks(self.batch, 0)[node.name])
        return operands + [self.parameters.get(f"{node.name}.{key}") for key in node.op.operands]

    def attributes(self, node: Node) -> dict[str, Any]:
        """Return the attributes of the lowering of `node`."""
        return dict(node.attributes) | ({"training": self.training} if node.op.states else {})

    def input_gradient(self, source: str, reader: str, place: int) -> Array:
        """Return the gradient that one reading of a value sent back."""
        assert self.trace is not None
        name = edge(source, reader, place)
        if name in self.readers:
            return self.trace.incoming[name]
        return self.trace.incoming[source] if source in self.trace.incoming else self.trace.gradients[source]


@dataclass(frozen=True)
class _Cell:
    """Hold what one backend computed at one place, judged, and the digest of its bytes if it counts."""

    op: str
    shape: tuple[int, ...]
    judgement: Judgement
    digest: str | None


Judged: TypeAlias = dict[str, _Cell]


def _judged(run: _Run, name: str, progress: Callable[[str], None]) -> tuple[Judged, Judged]:
    dtype, bitwise = run.program.numerics.dtype, run.program.numerics.bitwise

    def cell(op: object, shape: tuple[int, ...], found: Array, ball: Ball) -> _Cell:
        return _Cell(type(op).__name__, shape, judge(found, ball), digest([found]) if bitwise else None)

    layers: Judged = {}
    for node in run.graph.nodes:
        progress(f"judging {name}: {node.name}")
        layers[node.name] = cell(node.op, node.shape, run.outputs[node.name], _expected(run, node, dtype))
    if run.trace is None:
        return layers, {}
    source = run.graph.model.outputs[0][1]
    found = run.input_gradient(source, "loss", 0)
    gradients: Judged = {f"loss.{source}": cell(run.loss, found.shape[1:], found, _loss_gradient(run, source, dtype))}
    for node in reversed(run.graph.nodes):
        progress(f"judging {name}: gradients of {node.name}")
        for path, shape, found, ball in _node_gradients(run, node, dtype):
            gradients[path] = cell(node.op, shape, found, ball)
    return layers, gradients


def _expected(run: _Run, node: Node, dtype: str) -> Ball:
    return bounds.forward(computed_op(node, run.training), run.operands(node), run.attributes(node), dtype, normwise=_normwise(run))


def _node_gradients(run: _Run, node: Node, dtype: str) -> Iterable[tuple[str, tuple[int, ...], Array, Ball]]:
    assert run.trace is not None
    dy = run.trace.incoming[node.name]
    balls = bounds.gradients(computed_op(node, run.training), run.operands(node), dy, run.attributes(node), dtype, normwise=_normwise(run))
    for key, ball in zip(node.op.operands, balls[len(balls) - len(node.op.operands) :], strict=True):
        path = f"{node.name}.{key}"
        if ball is not None and path in run.trace.gradients:
            found = run.trace.gradients[path]
            yield path, found.shape, found, ball
    for place, source in enumerate(node.inputs):
        ball = balls[place]
        assert ball is not None
        found = run.input_gradient(source, node.name, place)
        yield f"{node.name}.input{place + 1 if len(node.inputs) > 1 else ''}", found.shape[1:], found, ball


def _normwise(run: _Run) -> bool:
    return run.program.numerics.bitwise


def _loss_gradient(run: _Run, source: str, dtype: str) -> Ball:
    assert run.loss is not None
    attributes = run.loss.attributes(run.graph.shapes[source])
    ball = bounds.gradients(run.loss.lowering(), [run.values[source], run.labels], np.ones(()), attributes, dtype)[0]
    assert ball is not None
    return ball


def _rows(graph: Graph, judged: Mapping[str, Judged]) -> Iterable[Row]:
    first = next(iter(judged.values()))
    for path, cell in first.items():
        judgements = {name: rows[path].judgement for name, rows in judged.items()}
        digests = {name: rows[path].digest or "" for name, rows in judged.items()} if cell.digest else {}
        yield Row(path, cell.op, cell.shape, judgements, digests)


def _pairs(model: Model, outputs: Mapping[str, Mapping[str, Array]]) -> Iterable[Pair]:
    for one, two in itertools.combinations(outputs, 2):
        a, b = (
            np.concatenate([outputs[name][source].ravel() for _, source in model.outputs if source in outputs[name]]) for name in (one, two)
        )
        with np.errstate(invalid="ignore"):
            largest = float(np.nan_to_num(np.abs(a.astype(np.float64) - b), nan=np.inf).max(initial=0))
        yield Pair(one, two, largest, float((a != b).mean()) if a.size else 0.0)


def _participant(name: str, device: str) -> Participant:
    info = plugins.descriptor(name).info
    assert info is not None
    return Participant(name, info.title, info.version() or "unknown", device)


def _absent() -> tuple[Absent, ...]:
    return tuple(Absent(item.name, item.problem, item.repair or "") for item in plugins.discover() if item.problem is not None)
