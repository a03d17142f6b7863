"""Editing source text at the places of its syntax tree, so that comments and layout stay as they were written."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replace the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


class Text:
    """Be source text with its tree: an offset for each node, and edits applied at once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = ast.parse(source)
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.AST) -> int:
        """Return where a node begins."""
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Return where a node ends."""
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        first = self._lines[line - 1]
        text = self.source[first : self._lines[line]]
        return first + len(text.encode()[:column].decode())  # columns count bytes

    def of(self, node: ast.AST) -> str:
        """Return the text of a node."""
        return self.source[self.start(node) : self.end(node)]

    def line_start(self, node: ast.AST) -> int:
        """Return where the first line of a node begins."""
        return self._lines[node.lineno - 1]  # type: ignore[attr-defined]

    def line_end(self, node: ast.AST) -> int:
        """Return where the last line of a node ends, its newline included."""
        return self._lines[node.end_lineno]  # type: ignore[attr-defined]

    def edited(self, edits: Iterable[Edit], first: int = 0, last: int | None = None) -> str:
        """Return the text from `first` to `last` with edits, of which those inside another are dropped."""
        parts, place = [], first
        last = len(self.source) if last is None else last
        for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
            if edit.start < place or edit.end > last:
                continue
            parts += [self.source[place : edit.start], edit.text]
            place = edit.end
        return "".join([*parts, self.source[place:last]])
