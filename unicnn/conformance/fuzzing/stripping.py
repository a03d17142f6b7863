"""Stripping a statement to plain text: without annotations, without decorators of its own package, docstrings of one line."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator, Sequence

from unicnn.conformance.fuzzing.edits import Edit, Text

DIRECTIVES = re.compile(r" *# *(fmt|type|noqa|pragma)\b:?.*")
"""Comments for tools."""


def plain_text(source: Text, statement: ast.stmt, belongs: Callable[[str], bool]) -> str:
    """Return a statement as plain text: without annotations, without decorators of the own packages, docstrings cut to a line.

    The comment above it is kept.
    """
    edits = list(_bare(source, statement, belongs))
    first = source.line_start(statement)
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) and statement.decorator_list:
        first = source.line_start(statement.decorator_list[0])
    text = _comment_above(source, first) + source.edited(edits, first, source.line_end(statement))
    return DIRECTIVES.sub("", text)


def _comment_above(source: Text, first: int) -> str:
    lines: list[str] = []
    for line in reversed(source.source[:first].splitlines(keepends=True)):
        if not line.startswith("#"):
            break
        lines.insert(0, line)
    return "".join(lines)


def _bare(source: Text, statement: ast.stmt, belongs: Callable[[str], bool]) -> Iterator[Edit]:
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef):
            yield _signature(source, node)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from _decorators(source, node, belongs)
            yield from _docstring(source, node)
            yield from _annotations(source, node.body) if isinstance(node, ast.FunctionDef) else _fields(source, node)
    yield from _annotations(source, [statement])


def _annotations(source: Text, body: Sequence[ast.stmt]) -> Iterator[Edit]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            yield Edit(source.end(node.target), source.end(node.annotation), "")


def _fields(source: Text, node: ast.ClassDef) -> Iterator[Edit]:
    """Yield edits that leave a class's fields their annotations, without names that nothing defines here."""
    for field_ in node.body:
        if isinstance(field_, ast.AnnAssign):
            names = {inner.id for inner in ast.walk(field_.annotation) if isinstance(inner, ast.Name)}
            if not names <= set(vars(builtins)):
                yield Edit(source.start(field_.annotation), source.end(field_.annotation), "object")


def _signature(source: Text, node: ast.FunctionDef) -> Edit:
    """Return the edit that writes a function's head on one line, without annotations."""
    bare = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0]
    assert isinstance(bare, ast.FunctionDef)
    for argument in ast.walk(bare.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    start = source.source.index("def ", source.start(node))
    return Edit(start, _head_end(source, node), f"def {node.name}({ast.unparse(bare.args)}):")


def _head_end(source: Text, node: ast.FunctionDef) -> int:
    """Return where the colon ends that ends a function's head."""
    places = [source.start(node), *(source.end(argument) for argument in ast.walk(node.args) if hasattr(argument, "lineno"))]
    place = max([*places, *([source.end(node.returns)] if node.returns is not None else [])])
    return source.source.index(":", place) + 1


def _decorators(source: Text, node: ast.FunctionDef | ast.ClassDef, belongs: Callable[[str], bool]) -> Iterator[Edit]:
    for decorator in node.decorator_list:
        root: ast.AST = decorator
        while isinstance(root, (ast.Call, ast.Attribute)):
            root = root.func if isinstance(root, ast.Call) else root.value
        if isinstance(root, ast.Name) and belongs(root.id):
            yield Edit(source.line_start(decorator), source.line_end(decorator), "")


def _docstring(source: Text, node: ast.FunctionDef | ast.ClassDef) -> Iterator[Edit]:
    """Yield the edit that cuts a docstring to its first line."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines = first.value.value.strip().splitlines()
        if len(lines) > 1:
            yield Edit(source.start(first), source.end(first), f'"""{lines[0]}"""')
