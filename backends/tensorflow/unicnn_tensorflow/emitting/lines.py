"""How a line that applies a layer, or a function of the file, reads in Keras."""

from __future__ import annotations

import re

from unicnn.porting.outline import lines
from unicnn.porting.outline.lines import WIDTH, Line, positional, quoted


def expression(line: Line, scope: str, *, entry: bool = False) -> str:
    """Return what stands on the right; `scope` is "" in the network itself, and "{name}." in a function. `entry` leaves out the call."""
    taken = ", ".join(line.inputs)
    if not line.callee:
        return taken
    first, named = positional(line.arguments)
    name = [f"name={quoted(line.name, scope)}"] if line.name else []
    if line.part:
        return f"{line.callee}({', '.join([taken, *first, *named, *name])})"
    made = f"{line.callee}({', '.join([*first, *named, *name])})"
    return made if entry else f"{made}([{taken}])" if line.listed else f"{made}({taken})"


def fitted(line: str) -> str:
    """Return an indented line such that the formatter breaks it well: between arguments, and not because of its comment.

    A call of a layer that fits on a line, but for the input behind it, is opened by a comma after its last argument.
    """
    if line.lstrip().startswith("#"):
        return line
    code, mark, rest = lines.fitted(line).partition("  # ")
    found = re.fullmatch(r"(.*\))(\((?:\w+|\[[^\[\]]*\])\))", code)
    if found and len(found.group(1)) + 1 <= WIDTH < len(code):
        return f"{found.group(1)[:-1]},){found.group(2)}{mark}{rest}"
    return f"{code}{mark}{rest}"
