"""What is known about an op, as plain data: how to show it is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Framework:
    """Name a framework: key in the facts, title to show, the versions facts were verified on."""

    key: str
    title: str
    versions: str


@dataclass(frozen=True)
class Trap:
    """State one thing that differs from the neutral meaning.

    source is a URL. verified_on names the versions the statement was run on; it is None if the
    statement rests on the source alone.
    """

    text: str
    source: str
    verified_on: str | None


@dataclass(frozen=True)
class Row:
    """Say what an op is called in one framework.

    call is written like Python: arguments to give by name, then defaults (`stride=1`); None if the
    framework has no such op, and then `instead` says what to write. chosen are the arguments whose
    value in the call is not a default but makes it this op. also are other names for the same or
    nearly the same thing. source and verified_on are those of the call, as in Trap.
    """

    framework: Framework
    call: str | None
    source: str
    also: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    instead: str | None = None
    verified_on: str | None = None
    traps: tuple[Trap, ...] = ()

    @property
    def name(self) -> str | None:
        """Return the call without its arguments: `torch.nn.Conv2d`."""
        return self.call and self.call.partition("(")[0]

    @property
    def arguments(self) -> str | None:
        """Return what stands between the parentheses of the call."""
        return self.call and self.call.partition("(")[2].removesuffix(")")


@dataclass(frozen=True)
class Explanation:
    """Hold all that is known about one op; one row per framework, always in the same order.

    family is the topic it belongs to ("conv", "pool", …), call the neutral op with its defaults,
    aliases further words that find it.
    """

    op: str
    family: str
    meaning: str
    formula: str
    call: str
    aliases: tuple[str, ...]
    rows: tuple[Row, ...]
