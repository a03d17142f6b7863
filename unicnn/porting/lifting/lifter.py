"""The lifter: goes along a tape and makes a draft of each call."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from unicnn.errors import DescriptionError, PortError
from unicnn.porting.lifting import contractions, elementwise, shapes
from unicnn.porting.lifting.draft import Draft, Drafts, Lifted, Operand, natural, refuse
from unicnn.porting.lifting.known import Known, fold
from unicnn.porting.tape import VOCABULARY, Call, Tape

HANDLERS: Mapping[str, Callable[[Drafts, Call, list[Operand]], Lifted]] = {
    "conv": contractions.conv,
    "conv_transpose": contractions.conv_transpose,
    "linear": contractions.linear,
    "batch_norm": contractions.batch_norm,
    "layer_norm": contractions.layer_norm,
    **dict.fromkeys(("max_pool", "avg_pool", "adaptive_avg_pool"), shapes.pool),
    **dict.fromkeys(("mean", "max", "sum"), shapes.reduce),
    "reshape": shapes.reshape,
    "transpose": shapes.transpose,
    "pad": shapes.pad,
    "concat": shapes.concat,
    "split": shapes.split,
    "identity": elementwise.identity,
    **dict.fromkeys(elementwise.ACTIVATIONS, elementwise.activation),
    **dict.fromkeys(("softmax", "log_softmax"), elementwise.along),
    **dict.fromkeys(("add", "sub", "mul", "div"), elementwise.arithmetic),
    "neg": elementwise.negated,
    **dict.fromkeys(("square", "power"), elementwise.squared),
}


_HELPERS = ("permute", "permuted")
"""What modules are called that turn axes for the layer behind them or before them, after its name."""


class Lifter:
    """Lift one tape, its inputs lying in the given orders; `absorb` makes transpositions mere changes of order."""

    def __init__(self, tape: Tape, orders: tuple[tuple[int, ...], ...], *, absorb: bool) -> None:
        self.tape, self.orders, self.absorb = tape, orders, absorb
        self.paths = {call.path for call in tape.calls if call.own}
        self.values: dict[str, Operand] = {name: Known.of(constant) for name, constant in tape.constants.items()}
        named: dict[str, tuple[int, ...]] = {}
        for (name, shape), order in zip(tape.inputs, orders, strict=True):
            canonical = tuple(shape[order.index(axis)] for axis in range(1, len(shape)))
            self.values[name] = Lifted(name, canonical, order)
            named[name] = canonical
        self.drafts = Drafts(tape.name, named)
        readers = Counter(operand for call in tape.calls for operand in call.inputs if isinstance(operand, str))
        readers.update(value for _, value in tape.outputs)
        self.drafts.readers = readers
        self.drafts.channels_first = any(call.attributes.get("data") == "NCHW" for call in tape.calls)

    def run(self) -> list[Lifted]:
        """Make all drafts, and return the outputs."""
        for call in self.tape.calls:
            self.values[call.name] = self._lift(call)
            self.drafts.previous = call.name
        return [self._output(value) for _, value in self.tape.outputs]

    @property
    def layers(self) -> list[Draft]:
        """Return the drafts in order."""
        return list(self.drafts.drafts.values())

    def _output(self, name: str) -> Lifted:
        value = self.values[name]
        if not isinstance(value, Lifted):
            raise PortError(f"{self.tape.name}: the output does not depend on any input. Return something that is computed from the input.")
        return self.drafts.settled(self.tape.calls[-1], value) if value.image is not None else value

    def _lift(self, call: Call) -> Operand:
        if any(isinstance(operand, str) and operand not in self.values for operand in call.inputs):
            raise refuse(call, "it takes what no call before it gives.", "Report this with the network, as a mistake of the importer.")
        operands = [self._operand(operand) for operand in call.inputs]
        if all(isinstance(operand, Known) for operand in operands) and operands:
            folded = fold(call, [operand for operand in operands if isinstance(operand, Known)])
            if folded is not None:
                return folded
        if call.op not in HANDLERS:
            raise refuse(call, _why(call), _nearest(call))
        if call.op == "transpose" and (self.absorb or self._helps(call)):
            call = dataclasses.replace(call, attributes={**call.attributes, "absorb": True})
        if call.op == "reshape":
            call = dataclasses.replace(call, attributes={**call.attributes, "batch": self.tape.inputs[0][1][0]})
        try:
            return self.drafts.finish(call, HANDLERS[call.op](self.drafts, call, operands))
        except DescriptionError as error:
            raise refuse(call, f"{error}", "Write it in a way that a description allows.") from None

    def _helps(self, call: Call) -> bool:
        """Tell whether a transposition is a module that only lays the axes right for another: "shaped_permute" for "shaped"."""
        path, _, suffix = call.path.rpartition("_")
        return call.own and suffix in _HELPERS and path in self.paths

    def _operand(self, operand: Any) -> Operand:
        if operand is None:
            return None
        return self.values[operand] if isinstance(operand, str) else Known.number(float(operand))


def _why(call: Call) -> str:
    return "it stands alone, not in a form that is known." if call.op in VOCABULARY else "no op of the vocabulary does what it does."


def _nearest(call: Call) -> str:
    if "instead" in call.attributes:
        return str(call.attributes["instead"])
    import difflib

    from unicnn.ops.base import VOCABULARY as OPS

    near = difflib.get_close_matches(call.op.lower(), [cls.lowering() for cls in OPS.values()], n=1, cutoff=0.6)
    return f"The nearest there is: {near[0]}." if near else "See `unicnn explain` for the ops there are, and build it from those."


def orders_of(tape: Tape) -> list[tuple[tuple[int, ...], ...]]:
    """Return the orders in which the inputs may lie: as they are, or with all images' channels last."""
    plain = tuple(natural(len(shape)) for _, shape in tape.inputs)
    last = tuple(contractions.CHANNELS_LAST if len(shape) == 4 else natural(len(shape)) for _, shape in tape.inputs)
    return [plain] if plain == last else [plain, last]
