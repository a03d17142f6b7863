"""Pruning: of source that was run, only what was run. Branches that were not taken go, and with them what only they needed."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from unicnn.conformance.fuzzing.edits import Edit, Text
from unicnn.conformance.fuzzing.inlining import Piece

Taken: TypeAlias = dict[tuple[int, int], set[bool]]
"""For each piece and branch in it, the outcomes of its condition."""

RECORDER = "__taken__"


def run_recorded(pieces: Sequence[Piece], names: dict[str, Any]) -> Taken:
    """Run pieces with `names` given, and return which branches were taken; an error ends the run and keeps what was seen."""
    taken: Taken = {}

    def record(piece: int, branch: int, outcome: Any) -> Any:
        taken.setdefault((piece, branch), set()).add(bool(outcome))
        return outcome

    scope = {**names, RECORDER: record, "__name__": "reproduction"}
    for place, piece in enumerate(pieces):
        tree = _Recording(place).visit(ast.parse(piece.text))
        try:
            exec(compile(ast.fix_missing_locations(tree), "<reproduction>", "exec"), scope)
        except Exception:  # an error may be what is being reproduced
            break
    return taken


class _Recording(ast.NodeTransformer):
    """Wrap every condition into a call that takes its outcome down."""

    def __init__(self, piece: int) -> None:
        self.piece = piece

    def visit_Module(self, node: ast.Module) -> ast.Module:
        for number, branch in enumerate(branches(node)):
            branch.test = ast.Call(ast.Name(RECORDER, ast.Load()), [ast.Constant(self.piece), ast.Constant(number), branch.test], [])
        return node


def branches(tree: ast.AST) -> list[ast.If | ast.IfExp]:
    """Return the conditional statements and expressions of a tree, in an order that its text decides."""
    return [node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.IfExp))]


def pruned(pieces: Sequence[Piece], taken: Taken) -> list[Piece]:
    """Return the pieces without the branches that were never taken, as far as their conditions were met at all."""
    result = []
    for place, piece in enumerate(pieces):
        text = Text(piece.text)
        outcomes = {id(node): taken.get((place, number), set()) for number, node in enumerate(branches(text.tree))}
        result.append(Piece(piece.names, _Pruner(text, outcomes).text()))
    return result


class _Pruner:
    def __init__(self, text: Text, outcomes: dict[int, set[bool]]) -> None:
        self.source, self.outcomes = text, outcomes

    def text(self) -> str:
        return self.source.edited(self._edits(self.source.tree))

    def _edits(self, node: ast.AST) -> Iterator[Edit]:
        """Yield the outermost edits below a node."""
        for body in (getattr(node, key, None) for key in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                yield from self._unreachable(body)
        for child in ast.iter_child_nodes(node):
            outcome = self.outcomes.get(id(child), set())
            if len(outcome) == 1 and isinstance(child, ast.If):
                yield self._statement(child, next(iter(outcome)))
            elif len(outcome) == 1 and isinstance(child, ast.IfExp):
                yield self._expression(child, next(iter(outcome)), node)
            else:
                yield from self._edits(child)

    def _unreachable(self, body: list[ast.stmt]) -> Iterator[Edit]:
        """Yield the edit that drops what follows a return, or a branch that is always taken and ends in one."""
        for statement in body[:-1]:
            if self._returns(statement):
                yield Edit(self.source.line_end(statement), self.source.line_end(body[-1]), "")
                return

    def _returns(self, statement: ast.stmt) -> bool:
        if isinstance(statement, (ast.Return, ast.Raise)):
            return True
        outcome = self.outcomes.get(id(statement), set())
        if not isinstance(statement, ast.If) or len(outcome) != 1:
            return False
        chosen = statement.body if next(iter(outcome)) else statement.orelse
        return any(map(self._returns, chosen))

    def _statement(self, node: ast.If, outcome: bool) -> Edit:
        """Return the edit that puts the branch taken, or nothing, in the place of an if; the comment above goes with it."""
        chosen = node.body if outcome else node.orelse
        start, end = self.source.line_start(node), self.source.line_end(node)
        if not chosen:
            return Edit(self._above(start) if not outcome else start, end, "")
        first, last = self.source.line_start(chosen[0]), self.source.line_end(chosen[-1])
        first = self._above(first)
        edits = [edit for child in chosen for edit in self._of(child)]
        edits += list(self._unreachable(chosen))
        indent = " " * node.col_offset
        text = textwrap.indent(textwrap.dedent(self.source.edited(edits, first, last)), indent)
        if text.lstrip().startswith("elif "):
            text = indent + text.lstrip()[2:]
        return Edit(start, end, text)

    def _of(self, statement: ast.stmt) -> Iterator[Edit]:
        """Yield the edits of a statement itself, or of what is below it."""
        holder = ast.Module([statement], [])
        yield from self._edits(holder)

    def _above(self, start: int) -> int:
        """Return where the comment begins that stands right above a line."""
        lines = self.source.source[:start].splitlines(keepends=True)
        while lines and lines[-1].lstrip().startswith("#"):
            start -= len(lines.pop())
        return start

    def _expression(self, node: ast.IfExp, outcome: bool, parent: ast.AST) -> Edit:
        chosen = node.body if outcome else node.orelse
        holder = ast.Expression(chosen)
        start, end = self.source.start(chosen), self.source.end(chosen)
        text = self.source.edited(self._edits(holder), start, end)
        simple = isinstance(chosen, (ast.Name, ast.Call, ast.Attribute, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.Dict))
        alone = isinstance(parent, (ast.Assign, ast.Return, ast.keyword, ast.Call, ast.Expression))
        return Edit(self.source.start(node), self.source.end(node), text if simple or alone else f"({text})")
