"""Explain an op: its neutral meaning, and its name, defaults and traps in every framework."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache

from unicnn.errors import UnknownNameError
from unicnn.explain.reader import explanations
from unicnn.explain.table import Explanation, Framework, Row, Trap

__all__ = ["Explanation", "Framework", "Row", "Trap", "explain", "topics"]


def topics() -> tuple[str, ...]:
    """Return the names of all ops that `explain` knows, family after family."""
    return tuple(explanations())


def explain(op: str) -> Explanation:
    """Return what is known about an op.

    The op may be named in any framework's way, with or without its module, in any case: Conv2d,
    `nn.Conv2d`, conv2d and Convolution are one. Raises UnknownNameError for an unknown name, with
    close ones, and for a name of several ops (Pooling), with those.
    """
    found = _ops_by_name().get(_plain(op), ())
    if len(found) == 1:
        return explanations()[found[0]]
    if found:
        raise UnknownNameError(f"{op!r} may mean {_either(found)}. Ask for one of them.")
    near = difflib.get_close_matches(_plain(op), _ops_by_name(), n=5, cutoff=0.7)
    # Several names of one op may be close; each op is offered once, the closest first.
    ops = tuple(dict.fromkeys(candidate for name in near for candidate in _ops_by_name()[name]))
    hint = f"Did you mean {_either(ops)}?" if ops else f"There are {', '.join(topics())}."
    raise UnknownNameError(f"No op of any framework is known as {op!r}. {hint}")


@cache
def _ops_by_name() -> dict[str, tuple[str, ...]]:
    """Return the ops that each name may mean; an op's own name means that op alone."""
    meant: dict[str, tuple[str, ...]] = {}
    for op, explanation in explanations().items():
        for name in _names(explanation):
            if op not in meant.setdefault(_plain(name), ()):
                meant[_plain(name)] += (op,)
    return meant | {_plain(op): (op,) for op in topics()}


def _names(explanation: Explanation) -> Iterator[str]:
    yield from explanation.aliases
    for row in explanation.rows:
        yield from filter(None, (row.name, *row.also))


def _plain(name: str) -> str:
    """Return the last word of a dotted name, without case, arguments and punctuation."""
    last = name.partition("(")[0].rpartition(".")[2]
    return re.sub(r"[^a-z0-9]", "", last.lower())


def _either(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
