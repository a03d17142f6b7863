"""What lifted layers are called: a module's layer by the module's path, everything else by the rule of `naming`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from unicnn.porting.lifting.draft import Draft
from unicnn.porting.naming import Occurrence, names


def called(drafts: Sequence[Draft], inputs: Sequence[str]) -> list[str]:
    """Return the layers' names.

    Only the first layer that a module made carries the module's name; an activation that it applies as well is glue, as if it had
    been written as a function. An index in a plain sequence is no name. In a sequence inside another module it is, and the
    entries are counted anew if one of them made two layers.
    """
    paths = _renumbered(drafts)
    plain = all(path.isdigit() for draft in drafts if draft.call.own for path in [draft.call.path])
    wanted = []
    seen: set[str] = set()
    for draft, path in zip(drafts, paths, strict=True):
        first = path not in seen or not draft.weights
        own = path if draft.call.own and draft.call.named and not draft.inserted and not (plain and path.isdigit()) else None
        if own is not None and _follows(draft, path, drafts, paths):
            own = None
        if draft.weights:
            seen.add(path)
        wanted.append(Occurrence(path.rpartition(".")[0] if draft.call.own else path, draft.op.prefix, own if first else None))
    return names(wanted, inputs)


def _follows(draft: Draft, path: str, drafts: Sequence[Draft], paths: Sequence[str]) -> bool:
    """Tell whether the same module made a layer of another kind that deserves its name: the first, or the first with weights."""
    made = [other for other, where in zip(drafts, paths, strict=True) if where == path and other.call.own]
    first = next((other for other in made if other.weights), made[0])
    return type(first.op) is not type(draft.op)


def moved(drafts: Sequence[Draft]) -> Mapping[str, str]:
    """Return the new path of every module whose path changed because a sequence was counted anew."""
    result: dict[str, str] = {}
    for draft, path in zip(drafts, _renumbered(drafts), strict=True):
        old, new = draft.call.path, path
        while old and old != new and old not in result:
            result[old] = new
            old, new = old.rpartition(".")[0], new.rpartition(".")[0]
    return result


def _renumbered(drafts: Sequence[Draft]) -> list[str]:
    """Return the path of each layer, entries of sequences counted anew where one made several layers."""
    paths = [draft.call.path for draft in drafts]
    own = [draft.call.own for draft in drafts]
    for scope in sorted({path.rpartition(".")[0] for path in _doubled(drafts)}, key=lambda path: path.count(".")):
        prefix = f"{scope}." if scope else ""
        inside = [place for place, path in enumerate(paths) if path.startswith(prefix) and path != scope]
        children = [paths[place][len(prefix) :].partition(".")[0] for place in inside]
        if not scope or not all(child.isdigit() for child in children):
            continue
        count, before = -1, None
        for place, child in zip(inside, children, strict=True):
            leaf = own[place] and paths[place] == prefix + child
            if leaf or child != before:
                count += 1
            before = child
            paths[place] = f"{prefix}{count}{paths[place][len(prefix + child) :]}"
    return paths


def _doubled(drafts: Sequence[Draft]) -> Iterator[str]:
    """Yield the path of each module that made layers of several kinds, one after the other."""
    kinds = Counter(path for path, _ in {(draft.call.path, type(draft.op)) for draft in drafts if draft.call.own and not draft.inserted})
    yield from (path for path, count in kinds.items() if count > 1)
