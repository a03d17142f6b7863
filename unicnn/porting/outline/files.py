"""A file around an outline: its heading, its imports in order, and the names under which weights are loaded."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from unicnn.graph import Graph
from unicnn.porting.outline.form import Hints, Outline
from unicnn.porting.outline.words import class_name


def heading(graph: Graph, hints: Hints, notes: Sequence[str] = ()) -> str:
    """Return the docstring of the file: what it holds, and what a reader should know."""
    inputs = " and ".join("x".join(map(str, shape)) for _, shape in graph.model.inputs)
    says = [f"{class_name(graph.model.name)}: {graph.size:,} parameters, for inputs of {inputs}.", *notes, *hints.notes]
    wrapped = "\n\n".join(textwrap.fill(sentence, 84) for sentence in says).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{wrapped}' + ('\n"""' if "\n" in wrapped else '"""')


def assembled(head: str, parts: Iterable[str], wanted: Iterable[tuple[str, str]]) -> str:
    """Return a file of parts; their imports go to its top, together with those that are `wanted` where a pattern is found."""
    imports: set[str] = set()
    bodies = []
    for part in parts:
        lines = part.strip("\n").split("\n")
        imports |= {line for line in lines if _is_import(line)}
        bodies.append("\n".join(line for line in lines if not _is_import(line)).strip("\n"))
    body = "\n\n\n".join(bodies)
    imports |= {line for pattern, line in wanted if re.search(pattern, body)}
    return "\n\n".join([head, "\n".join(sorted(imports)), body]) + "\n"


def _is_import(line: str) -> bool:
    return re.match(r"(import|from) ", line) is not None


def classes_used(source: str) -> set[str]:
    """Return the names of what a source calls by a name of its own, with a capital letter."""
    return set(re.findall(r"(?<![\w.])([A-Z]\w*)\(", source))


def loading(plan: Outline, roles: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the framework calls the roles and the layers whose names it does not keep, as far as the network has them."""
    held = {name.rpartition(".") for name in plan.graph.parameters}
    found = {role: name for role, name in roles.items() if role in {role for _, _, role in held}}
    return found, {old: new for old, new in plan.renamed.items() if old in {layer for layer, _, _ in held}}
