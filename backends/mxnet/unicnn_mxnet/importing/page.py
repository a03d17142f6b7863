"""Writing down what was heard: one operator of MXNet becomes one call, or a few, of the shared vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from unicnn.errors import PortError
from unicnn.porting.tape import Call, Operand
from unicnn_mxnet.importing.heard import Heard, Shape


class Page:
    """Be where one operator is written down."""

    def __init__(self, heard: Heard) -> None:
        self.heard, self.calls = heard, list[Call]()

    def step(self, op: str, inputs: tuple[Operand, ...], shape: Shape, *, aside: bool = False, **attributes: Any) -> str:
        """Write a call that comes before the last; `aside` leaves it to the container, so that the layer's name stays for its work."""
        return self._write(op, f"{self.heard.results[0]}:step{len(self.calls)}", inputs, shape, attributes, aside)

    def last(self, op: str, *inputs: Operand, place: int = 0, **attributes: Any) -> str:
        """Write the call that gives a result of the operator."""
        return self._write(op, self.heard.results[place], inputs, self.heard.shapes[place], attributes, False)

    def foreign(self, detail: str = "") -> None:
        """Write the operator under its own name, because there is no word for it."""
        for place in range(len(self.heard.results)):
            self.last(self.heard.op + (f"({detail})" if detail else ""), *self.heard.operands, place=place)

    def refused(self, why: str, hint: str) -> PortError:
        """Return the error for an operator that cannot be ported as it is used."""
        heard = self.heard
        at = (f" in {heard.path}" if heard.path else "") + (f" at {heard.where}" if heard.where else "")
        return PortError(f"{heard.op}{at} cannot be ported: {why} {hint}")

    def _write(self, op: str, name: str, inputs: tuple[Operand, ...], shape: Shape, attributes: dict[str, Any], aside: bool) -> str:
        heard = self.heard
        path, own = (heard.parent, False) if aside else (heard.path, heard.own)
        self.calls.append(Call(op, name, inputs, tuple(shape), attributes, path, own, heard.where))
        return name


Writer: TypeAlias = Callable[[Heard, Page], object]
WRITERS: dict[str, Writer] = {}


def writes(*names: str) -> Callable[[Writer], Writer]:
    """Register how the operators of these names are written down."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return register


def written(heard: Heard) -> list[Call]:
    """Return the calls that an operator becomes."""
    page = Page(heard)
    writer = WRITERS.get(heard.op)
    if writer is None:
        page.foreign()
    else:
        writer(heard, page)
    return page.calls
