"""Inlining: the source of a function and of all that it needs from its own package, as text that needs that package no more."""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

from unicnn.conformance.fuzzing.edits import Edit, Text
from unicnn.conformance.fuzzing.stripping import plain_text

Origin: TypeAlias = tuple[str, str]
"""A module's name and a name in it."""


class NotInlinable(Exception):
    """Report source that cannot stand alone, and why."""


@dataclass
class Piece:
    """Be one statement of a module, such as a function: the names that it binds, and its text."""

    names: tuple[str, ...]
    text: str

    @property
    def needs(self) -> set[str]:
        """Return the names that the statement takes from outside."""
        return _globals(self.text)


@dataclass(frozen=True)
class Source:
    """Hold a module's text and the statement that binds each of its names."""

    module: str
    text: Text
    bindings: dict[str, ast.stmt]


@cache
def source_of(module: str) -> Source:
    """Return the source of an imported module."""
    try:
        text = Text(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):
        raise NotInlinable(f"the source of {module} is not there") from None
    bindings = {name: statement for statement in text.tree.body for name in _bound(statement)}
    return Source(module, text, bindings)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module binds."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _globals(text: str) -> set[str]:
    """Return the names that a text reads and does not bind inside its functions, builtins left out."""
    found: set[str] = set()
    tables = [symtable.symtable("from __future__ import annotations\n" + text, "piece", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            outside = symbol.is_global() if table.get_type() != "module" else symbol.is_referenced()
            if outside and symbol.is_referenced():
                found.add(symbol.get_name())
    return found - {"annotations"}


@dataclass
class Inliner:
    """Collect pieces: whatever is asked for, and before it what it needs. `own` are the packages whose source is taken in."""

    own: tuple[str, ...]
    pieces: dict[tuple[str, int], Piece] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    taken: dict[str, Origin] = field(default_factory=dict)
    """Who has each flat name."""
    under_way: set[tuple[str, int]] = field(default_factory=set)

    def add(self, function: Callable[..., Any]) -> str:
        """Take a function in, and return the name by which to call it."""
        home = (function.__module__, function.__name__)
        self.own = tuple(dict.fromkeys((*self.own, function.__module__)))
        return self._item(home)

    def all(self) -> list[Piece]:
        """Return the imports and the pieces in an order in which they can be run."""
        return [*(Piece((name,), text) for name, text in sorted(self.imports.items(), key=lambda item: item[1])), *self.pieces.values()]

    def _is_own(self, module: str) -> bool:
        return any(module == name or module.startswith(name + ".") for name in self.own)

    def _item(self, origin: Origin) -> str:
        """Take the statement in that binds a name, and return the flat name."""
        module, name = origin
        source = source_of(module)
        statement = source.bindings.get(name)
        if statement is None:
            raise NotInlinable(f"{module} has no statement for {name}")
        flat = self._flat(origin)
        key = (module, statement.lineno)
        if key not in self.pieces and key not in self.under_way:
            self.under_way.add(key)
            piece = self._piece(source, statement)
            self.pieces[key] = piece
        return flat

    def _flat(self, origin: Origin) -> str:
        module, name = origin
        candidates = [name, f"{module.rpartition('.')[2]}_{name.lstrip('_')}", f"{module.replace('.', '_')}_{name.lstrip('_')}"]
        for candidate in candidates:
            if not hasattr(builtins, candidate) and self.taken.setdefault(candidate, origin) == origin:
                return candidate
        raise NotInlinable(f"there are too many things called {name}")

    def _piece(self, source: Source, statement: ast.stmt) -> Piece:
        text = plain_text(source.text, statement, lambda name: self._belongs(source.module, name))
        renamed: dict[str, str] = {}
        modules: dict[str, ModuleType] = {}
        for name in sorted(_globals(text)):
            self._resolve(source.module, name, renamed, modules)
        own = {name: self._flat((source.module, name)) for name in _bound(statement)}
        names = {old: new for old, new in (renamed | own).items() if old != new}
        return Piece(tuple(own.values()), self._renamed(text, names, modules))

    def _belongs(self, module: str, name: str) -> bool:
        """Tell whether a name of a module stands for something of the own packages."""
        value = getattr(sys.modules[module], name, None)
        return self._is_own(value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or "")

    def _resolve(self, module: str, name: str, renamed: dict[str, str], modules: dict[str, ModuleType]) -> None:
        """Take in what a name of a module stands for: a function, an import, a constant; nothing for a builtin."""
        source = source_of(module)
        value = getattr(sys.modules[module], name, None)
        if isinstance(value, ModuleType) and self._is_own(value.__name__):
            modules[name] = value
            return
        home = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if callable(value) and home[0] and self._is_own(home[0]) and home[1] in source_of(home[0]).bindings:
            renamed[name] = self._item((home[0], str(home[1])))
            return
        if name in source.bindings:
            self._constant(source, name, renamed)

    def _constant(self, source: Source, name: str, renamed: dict[str, str]) -> None:
        statement = source.bindings[name]
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            renamed[name] = self._item((source.module, name))
            return
        alias = next(alias for alias in statement.names if (alias.asname or alias.name).partition(".")[0] == name)
        if isinstance(statement, ast.ImportFrom):
            package = sys.modules[source.module].__package__ or ""
            target = "." * statement.level + (statement.module or "")
            home = _absolute(target, package)
            if self._is_own(home):
                renamed[name] = self._from(home, alias.name)
                return
            self._import(name, ast.ImportFrom(home, [alias], 0))
            return
        self._import(name, ast.Import([alias]))

    def _from(self, module: str, name: str) -> str:
        """Take in a constant that one own module imports from another."""
        renamed: dict[str, str] = {}
        self._resolve(module, name, renamed, {})
        return renamed.get(name, name)

    def _import(self, name: str, statement: ast.stmt) -> None:
        text = ast.unparse(ast.fix_missing_locations(statement))
        if self.imports.setdefault(name, text) != text:
            raise NotInlinable(f"two imports are called {name}")
        self.taken.setdefault(name, ("", name))

    def _renamed(self, text: str, names: dict[str, str], modules: dict[str, ModuleType]) -> str:
        """Return a text with global names, and attributes of inlined modules, under their flat names."""
        parsed = Text(text)
        edits = []
        for node in ast.walk(parsed.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                flat = self._attribute(modules[node.value.id], node.attr)
                edits.append(Edit(parsed.start(node), parsed.end(node), flat))
            elif isinstance(node, ast.Name) and node.id in names:
                edits.append(Edit(parsed.start(node), parsed.end(node), names[node.id]))
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node in parsed.tree.body and node.name in names:
                start = parsed.source.index(node.name, parsed.start(node))
                edits.append(Edit(start, start + len(node.name), names[node.name]))
        return parsed.edited(edits)

    def _attribute(self, module: ModuleType, name: str) -> str:
        renamed: dict[str, str] = {}
        self._resolve(module.__name__, name, renamed, {})
        if name not in renamed:
            raise NotInlinable(f"{module.__name__}.{name} is not a thing of its own")
        return renamed[name]


def _absolute(target: str, package: str) -> str:
    level = len(target) - len(target.lstrip("."))
    if not level:
        return target
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{target.lstrip('.')}" if target.lstrip(".") else base


def used(pieces: Sequence[Piece], roots: set[str]) -> list[Piece]:
    """Return the pieces that the names `roots` need, in the same order."""
    wanted, kept = set(roots), set()
    while True:
        more = {place for place, piece in enumerate(pieces) if place not in kept and wanted.intersection(piece.names)}
        if not more:
            return [piece for place, piece in enumerate(pieces) if place in kept]
        kept |= more
        wanted |= {name for place in more for name in pieces[place].needs}
