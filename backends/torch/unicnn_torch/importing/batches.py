"""What the size of a batch must not change: a second tape, of one sample more, has the same calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from unicnn.errors import PortError
from unicnn.porting.tape import Call, Tape

Shapes: TypeAlias = "tuple[tuple[int, ...], ...]"


def check_batches(net: nn.Module, tape: Tape, inputs: Shapes, read: Callable[[Shapes], Tape]) -> None:
    """Raise PortError if code computes with the size of the batch; code that takes one size only is left alone. `read` gives the tape for inputs."""
    if any(call.op.startswith("torch.") for call in tape.calls):
        return  # it is refused for that, or nothing needs it
    larger = tuple((shape[0] + 1, *shape[1:]) for shape in inputs)
    try:
        other = read(larger)
    except Exception:
        return
    for one, two in zip(tape.calls, other.calls, strict=False):
        if _said(one) != _said(two):
            at = f" at {one.where}" if one.where else ""
            raise PortError(
                f"{one.op} in {one.path or type(net).__name__}{at} is another for a batch of {inputs[0][0]} than for one of {larger[0][0]}, and "
                "a description treats every sample alike, whatever the batch. Compute with each sample by itself, as in x.mean((2, 3))."
            )
    if len(tape.calls) != len(other.calls):
        raise PortError(f"{type(net).__name__} does more for one size of the batch than for another. Treat every sample alike.")


def _said(call: Call) -> tuple[object, ...]:
    return call.op, call.inputs, dict(call.attributes), call.shape[1:] if call.op == "reshape" else None, call.path
