"""The classes and functions of `layers` that a file needs, as they stand there."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ORDER = ("base", "images", "convolutions", "matrices", "norms", "pooling", "activations", "shapes", "network")
"""The modules of `layers` in the order in which what they define stands in a file."""


@dataclass(frozen=True)
class Piece:
    """Be the source of one class or function; `needs` are the others whose names occur in it."""

    source: str
    needs: frozenset[str]


@functools.cache
def every() -> dict[str, Piece]:
    """Return all pieces by name, each after those that it needs when it is defined."""
    found = {}
    for module in ORDER:
        text = Path(__file__).with_name("layers").joinpath(f"{module}.py").read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                needs = frozenset(item.id for item in ast.walk(node) if isinstance(item, ast.Name))
                source = ast.get_source_segment(text, node)
                assert source is not None
                found[node.name] = Piece(source, needs)
    return {name: Piece(piece.source, piece.needs & set(found) - {name}) for name, piece in found.items()}


def pieces(wanted: Collection[str]) -> list[str]:
    """Return the sources of the pieces `wanted`, and of all that they need."""
    needed: set[str] = set()
    todo = set(wanted) & set(every())
    while todo:
        needed |= todo
        todo = {name for piece in todo for name in every()[piece].needs} - needed
    return [piece.source for name, piece in every().items() if name in needed]
