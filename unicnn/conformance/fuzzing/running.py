"""Running a random network on every backend, and cutting what fails down to the layer that does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn.comparison import Comparison, Row, compare
from unicnn.conformance.fuzzing import judging
from unicnn.conformance.fuzzing.generating import Drawn
from unicnn.conformance.fuzzing.judging import Results, differing, step_by_step
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.errors import InputError, UnsupportedError
from unicnn.graph import infer
from unicnn.program import Program, Trace, lower

Array: TypeAlias = np.ndarray[Any, Any]

NETWORK = "network"
"""The op of a fault that no layer shows alone."""


@dataclass(frozen=True)
class Suspect:
    """Be a fault as it was seen in a network, and the layer where it was, or None for an error and for differing bytes."""

    fault: Fault
    layer: str | None


@dataclass(frozen=True)
class Seen:
    """Hold what a run of a network on all backends showed: the suspects, and how many arrays were judged."""

    suspects: tuple[Suspect, ...]
    judged: int
    refused: int


def run(drawn: Drawn, backends: Sequence[str]) -> Seen:
    """Run a network natively, each layer judged on what it was given, and under identical numerics, the backends' bytes compared."""
    suspects: list[Suspect] = []
    judged = refused = 0
    for backend in backends:
        try:
            comparison = _compared(drawn, backend)
        except UnsupportedError:
            refused += 1
        except Exception as error:  # whatever a framework raises is what is looked for
            suspects.append(Suspect(Fault(backend, "native", NETWORK, type(error).__name__), None))
        else:
            judged += len(comparison.layers) + len(comparison.gradients)
            suspects += _diverged(comparison, backend)
    found = {backend: _bytes(drawn, backend) for backend in backends}
    suspects += [Suspect(fault, None) for fault in differing(found, lambda _: NETWORK)]
    refused += sum(isinstance(item, (InputError, UnsupportedError)) for item in found.values())
    return Seen(tuple(suspects), judged, refused)


def _compared(drawn: Drawn, backend: str) -> Comparison:
    with np.errstate(all="ignore"):
        return compare(
            drawn.model, drawn.inputs, drawn.labels, [backend], weights=drawn.weights, loss=drawn.loss, mode=drawn.mode
        )  # fmt: skip


def _diverged(comparison: Comparison, backend: str) -> Iterator[Suspect]:
    for row in (*comparison.layers, *comparison.gradients):
        if row.diverged:
            forward = row in comparison.layers
            layer, _, what = row.path.partition(".")
            name = "output" if forward else "gradient of " + ("input" if layer == "loss" else what)
            kind = f"shape of {name}" if _misshapen(row, backend) else name
            yield Suspect(Fault(backend, "native", row.op, kind), layer)


def _misshapen(row: Row, backend: str) -> bool:
    return (row.judgements[backend].looks_like or "").startswith("the shape is")


def _bytes(drawn: Drawn, backend: str) -> Results | Exception:
    """Return all that a program under identical numerics computes of a network, or the error that it raises."""
    try:
        program = lower(drawn.model, backend, numerics="identical", weights=drawn.weights)
        if not drawn.compiled:
            step_by_step(program)
        output = program(drawn.inputs, mode=drawn.mode)
        moved = {f"running {name}": array for name, array in program.weights().items() if drawn.training}
        program.load(drawn.weights)
        loss, gradients = program.gradients(drawn.inputs, drawn.labels, drawn.loss, mode=drawn.mode)
    except Exception as error:  # whatever a framework raises is what is looked for
        return error
    return (
        {"output": output, "loss": np.asarray(loss, np.float32)} | moved | {f"gradient of {key}": item for key, item in gradients.items()}
    )


def spots(drawn: Drawn, backend: str, numerics: str = "native") -> Iterator[tuple[str, Spot]]:
    """Yield every layer of a network by name with what it was given on a backend, the loss last."""
    program = lower(drawn.model, backend, numerics=numerics, weights=drawn.weights)
    if numerics == "identical":
        step_by_step(program)
    with np.errstate(all="ignore"):
        trace = program.trace(drawn.inputs, drawn.labels, drawn.loss, mode=drawn.mode)
    yield from _spots(drawn, program, trace)


def _spots(drawn: Drawn, program: Program, trace: Trace) -> Iterator[tuple[str, Spot]]:
    graph = infer(drawn.model)
    values = {drawn.model.inputs[0][0]: drawn.inputs} | trace.outputs
    for node in graph.nodes:
        held = {key: drawn.weights[f"{node.name}.{key}"] for key in node.parameters}
        yield node.name, Spot(node.op, tuple(values[source] for source in node.inputs), held, trace.incoming[node.name], drawn.training)
    yield "loss", Spot(drawn.loss, (values[drawn.model.outputs[0][1]],), {}, drawn.labels, drawn.training)


class Beyond(Exception):
    """Report a suspect of which the bounds do not speak: its numbers are too large or too small."""


def cut(drawn: Drawn, suspect: Suspect, backends: Sequence[str]) -> tuple[Fault, Spot] | None:
    """Return the fault that one layer shows alone, and that layer, or None; raise Beyond if it is no fault by the bounds."""
    fault = suspect.fault
    if suspect.layer is not None:
        return _cut_at(dict(spots(drawn, fault.backend))[suspect.layer], fault)
    givers = [name for name in backends if name != fault.backend] or [fault.backend]
    for giver in givers:
        try:
            candidates = list(spots(drawn, giver, fault.level))
        except Exception:  # it fails there, too; another backend may get through
            continue
        return next(_failing(candidates, fault, backends), None)
    return None


def _cut_at(spot: Spot, fault: Fault) -> tuple[Fault, Spot] | None:
    clean = judging.cleaned(spot)
    if not judging.judgeable(clean):
        raise Beyond
    if fault in judging.native(clean, fault.backend):
        return fault, clean
    if judging.was_cleaned(spot, clean) or fault in judging.native(spot, fault.backend, strict=True):
        raise Beyond
    return None


def _failing(candidates: Sequence[tuple[str, Spot]], fault: Fault, backends: Sequence[str]) -> Iterator[tuple[Fault, Spot]]:
    """Yield what layers show alone of a fault that names none, each run on what another backend gives it."""
    for _, given in candidates:
        spot = given if fault.level == "identical" else judging.cleaned(given)
        if fault.level == "native" and not judging.judgeable(spot):
            continue
        found = judging.native(spot, fault.backend) if fault.level == "native" else judging.identical(spot, backends)
        for one in found:
            if one.backend == fault.backend:
                yield one, spot


def fails(spot: Spot, fault: Fault, backends: Sequence[str]) -> bool:
    """Tell whether a spot shows a fault, and it is one by the bounds."""
    if fault.level == "identical":
        return fault in judging.identical(spot, backends)
    if not judging.judgeable(spot) or judging.was_cleaned(spot, judging.cleaned(spot)):
        return False
    return fault in judging.native(spot, fault.backend)
