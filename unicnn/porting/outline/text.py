"""Python text of expressions, constructions and parameters."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from unicnn.ops.base import Shape
from unicnn.porting.outline.form import REQUIRED, Expression, Make, Parameter, Value


def text(expression: Expression) -> str:
    """Return the source of an expression; a layer within containers is reached by its keys, ``self.branches[\"left\"]``."""
    if isinstance(expression, Value):
        return expression.name
    template = expression.template
    inputs = [_guarded(item, template.kind, i > 0) for i, item in enumerate(expression.inputs)]
    return _filled(template.text, expression.target, inputs)


def _filled(pattern: str, target: str, inputs: Sequence[str]) -> str:
    def fill(match: re.Match[str]) -> str:
        key = match.group(1)
        return target if key == "self" else ", ".join(inputs) if key == "all" else inputs[int(key)]

    return re.sub(r"\{(self|all|\d+)\}", fill, pattern)


def _guarded(item: Expression, kind: str, follows: bool) -> str:
    """Return an operand, in parentheses where the sign around it binds tighter than the one in it."""
    written = text(item)
    inner = "call" if isinstance(item, Value) else item.template.result or item.template.kind
    loose = (inner == "sum" and (kind != "sum" or follows)) or (
        inner == "product" and (kind == "method" or (kind == "product" and follows))
    )
    return f"({written})" if kind != "call" and loose else written


def construction(make: Make) -> str:
    """Return the source of a construction: ``nn.Conv2d(3, 64, 3, padding=1)``."""
    return f"{make.callee}({', '.join(arguments(make))})"


def arguments(make: Make) -> list[str]:
    """Return the arguments of a construction that must be written, by name from the first that is left out."""
    result, named = [], False
    for argument in make.arguments:
        if not argument.written:
            named = True
        elif named or argument.keyword:
            result.append(f"{argument.name}={value(argument.value)}")
        else:
            result.append(value(argument.value))
    return result


def value(item: Any) -> str:
    """Return the source of a value; numbers in their shortest spelling, strings in double quotes."""
    if isinstance(item, str):
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(item, tuple):
        return f"({', '.join(value(part) for part in item)}{',' if len(item) == 1 else ''})"
    return number(item) if isinstance(item, float) else repr(item)


def number(item: float) -> str:
    """Return a float as people write it: 1e-5, 0.1, 6.0."""
    return re.sub(r"e([+-])0*", lambda match: "e-" if match.group(1) == "-" else "e", repr(item))


def parameters(items: Iterable[Parameter]) -> str:
    """Return the parameters of a function's head."""
    return ", ".join(item.name if item.default is REQUIRED else f"{item.name}={value(item.default)}" for item in items)


def comment(reason: str, width: int = 76) -> list[str]:
    """Return a comment, of several lines if it is long."""
    return textwrap.wrap(reason, width, initial_indent="# ", subsequent_indent="# ")


def shape_comment(shape: Shape | None) -> str:
    """Return a shape as a trailing comment, or nothing."""
    return "" if shape is None else f"  # {'x'.join(map(str, shape))}"
