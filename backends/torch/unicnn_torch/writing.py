"""The outline of a network as PyTorch source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unicnn.porting.outline import Code, Definition, Make, Member, Outline, Statement
from unicnn.porting.outline.building import is_list
from unicnn.porting.outline.loops import split_number
from unicnn.porting.outline.text import comment, construction, parameters, shape_comment, text


def definition(item: Definition) -> list[str]:
    """Return the lines of a class, or of a function that returns a sequence."""
    if item.sequence:
        head = f"def {item.name}({parameters(item.parameters)}):"
        return [head, *(_built(item.members) if any(m.kind == "loop" for m in item.members) else [f"    return {sequence(item.members)}"])]
    head = ", ".join(filter(None, ["self", parameters(item.parameters)]))
    return [*_init(item, head), "", f"    def forward(self, {', '.join(item.inputs)}):", *_indented(_statements(item.statements))]


def network(outline: Outline) -> list[str]:
    """Return the lines of the network's own class."""
    root = outline.root
    if root.sequence:
        inner = sequence(root.members).removeprefix("nn.Sequential")
        return [f"class {root.name}(nn.Sequential):", "    def __init__(self):", f"        super().__init__{inner}"]
    lines = [*_init(root, "self"), "", f"    def forward(self, {', '.join(root.inputs)}):"]
    return [*lines, *_indented([*_statements(root.statements), *_results(outline)])]


def _init(item: Definition, head: str) -> list[str]:
    lines = [line for member in item.members for line in _attribute(member)]
    return [f"class {item.name}(nn.Module):", f"    def __init__({head}):", "        super().__init__()", *_indented(lines)]


def _attribute(member: Member) -> Iterator[str]:
    if member.make is not None and member.make.reason and member.make.before is None:
        yield from comment(member.make.reason)
    absent = f" if {member.option} else None" if member.option else ""
    yield f"self.{member.name} = {made(member)}{absent}"


def made(member: Member) -> str:
    """Return the construction of an attribute, which may be a sequence or a container written in place."""
    if member.kind == "sequence":
        return sequence(member.children)
    if member.kind == "container":
        if is_list([child.name for child in member.children]):
            return f"nn.ModuleList([{', '.join(made(child) for child in _sorted(member.children))}])"
        entries = ", ".join(f'"{child.name}": {made(child)}' for child in member.children)
        return f"nn.ModuleDict({{{entries}}})"
    assert member.make is not None
    return construction(member.make)


def _sorted(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: int(member.name))


def sequence(members: Iterable[Member]) -> str:
    """Return an nn.Sequential: by position if the names are numbers from 0 on, and by name otherwise."""
    entries = list(_with_borders(members))
    names = [name for member in entries for name in _names(member)]
    if is_list(names) and names == sorted(names, key=int):
        return _call("nn.Sequential", [_positional(member) for member in entries])
    plain = all(name.isidentifier() for name in names)
    lines = [_named(member) if plain else _keyed(member) for member in entries]
    inner = _call("OrderedDict", lines) if plain else f"OrderedDict({{{_joined(lines)}}})"
    return f"nn.Sequential({inner})"


def _built(members: Iterable[Member]) -> Iterator[str]:
    """Yield the lines that build a sequence in which a part is repeated."""
    yield "    layers = OrderedDict()"
    for member in members:
        if member.kind != "loop":
            yield f'    layers["{member.name}"] = {made(member)}'
            continue
        yield f"    for i in range({member.name}, {_stop(member)}):"
        for child in member.children:
            stem, _ = split_number(child.name)
            yield f'        layers[f"{stem}{{i}}"] = {made(child)}'
        yield from (f"        {inner} = {outer}" for inner, outer in member.carried)
    yield "    return nn.Sequential(layers)"


def _stop(member: Member) -> str:
    start = int(member.name)
    return f"{member.repeat} + {start}" if isinstance(member.repeat, Code) else str(start + int(member.repeat))


def _call(name: str, entries: list[str]) -> str:
    return f"{name}({_joined(entries)})"


def _joined(entries: list[str]) -> str:
    if any("\n" in entry for entry in entries):
        return "\n" + ",\n".join(entries) + ",\n"
    return ", ".join(entries)


def _with_borders(members: Iterable[Member]) -> Iterator[Member]:
    """Yield the entries of a sequence, before each what must pad its input."""
    for member in members:
        if member.make is not None and member.make.before is not None:
            suffix, make = member.make.before
            yield Member(f"{member.name}_{suffix}", "layer", Make(make.callee, make.arguments, reason=member.make.reason))
        yield member


def _names(member: Member) -> list[str]:
    if member.repeat == 1:
        return [member.name]
    stem, start = split_number(member.name)
    assert start is not None
    return [f"{stem}{start + i}" for i in range(member.repeat)]


def _commented(member: Member, entry: str) -> str:
    reason = member.make.reason if member.make is not None and member.make.before is None else ""
    return "\n".join([*comment(reason, 52), entry])


def _positional(member: Member) -> str:
    if member.repeat == 1:
        return _commented(member, made(member))
    return f"*[{made(member)} for _ in range({member.repeat})]"


def _named(member: Member) -> str:
    if member.repeat == 1:
        return _commented(member, f"{member.name}={made(member)}")
    return f"**{{{_comprehension(member)}}}"


def _keyed(member: Member) -> str:
    if member.repeat == 1:
        return _commented(member, f'"{member.name}": {made(member)}')
    return f"**{{{_comprehension(member)}}}"


def _comprehension(member: Member) -> str:
    stem, start = split_number(member.name)
    assert start is not None
    return f'f"{stem}{{i}}": {made(member)} for i in range({start}, {start + member.repeat})'


def _statements(statements: Iterable[Statement]) -> Iterator[str]:
    for item in statements:
        yield from (line for reason in item.reasons for line in comment(reason))
        start = "return " if item.target is None else f"{item.target} = "
        line = f"{start}{text(item.value)}{shape_comment(item.shape)}"
        if item.condition is None:
            yield line
        else:
            yield f"if self.{item.condition} is not None:"
            yield f"    {line}"


def _results(outline: Outline) -> list[str]:
    model, shapes = outline.graph.model, outline.graph.shapes
    written = [text(value) for _, value in outline.results]
    if model.outputs[0][0] is not None:
        entries = (f'"{key}": {value}' for (key, _), value in zip(outline.results, written, strict=True))
        return [f"return {{{', '.join(entries)}}}"]
    if len(written) > 1:
        return [f"return {', '.join(written)}"]
    return [f"return {written[0]}{shape_comment(shapes[model.outputs[0][1]])}"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"        {line}" for line in lines]
