"""The form of a source file before it is text: definitions, their members, and what their forward does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from unicnn.graph import Graph, Node


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class Hints:
    """Carry what an original says beyond its model: its modules' class names by path, and notes for the reader of the port."""

    classes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """Be a value that is source already, such as the name of a constructor's argument; it is written as it stands."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Argument:
    """Be one argument of a constructor.

    It is left out if its value is its `default`. Positional arguments come first, and are written by name from the first that
    was left out. Where instances differ in it, it becomes an argument of the class that they share; `kind` says with which
    others it may share that one: arguments of kind "channels" have one name if they have equal values everywhere.
    """

    name: str
    value: Any
    default: Any = REQUIRED
    kind: str = ""
    keyword: bool = False

    @property
    def written(self) -> bool:
        """Tell whether the argument must be written."""
        return self.default is REQUIRED or self.value != self.default


@dataclass(frozen=True)
class Make:
    """Be the construction of a layer or of a part: ``nn.Conv2d(3, 64, 3, padding=1)``.

    `native` is false if the callee is a small class of the file itself. `before` names what must precede the layer where there is
    no forward: (suffix of its name, its construction), such as padding that the layer cannot do itself. `reason` becomes a comment.
    """

    callee: str
    arguments: tuple[Argument, ...] = ()
    native: bool = True
    before: tuple[str, Make] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Template:
    """Be an expression of values: "F.relu({0})", "{0}.flatten(1)", "{0} + {1}"; "{self}" is the layer itself, "{all}" all values.

    `kind` says what stands around a value: "call" (parentheses, so any expression may stand there), "method", "sum" or "product".
    `result` says what the whole is to whatever it stands in, if it is not the same.
    """

    text: str
    kind: str = "call"
    result: str = ""
    reason: str = ""


class Spelling(Protocol):
    """Say how a dialect spells single layers; the outline decides everything else.

    A spelling with an attribute `nested` that is false wants every layer in a statement of its own.
    """

    reserved: frozenset[str]
    """Names that no attribute, argument or class may have."""

    flags: bool
    """Whether a class may keep an argument, to ask in its forward whether it does something at all, such as adding its input."""

    sequences: frozenset[str]
    """Names of the dialect's containers that call their children one after the other; hints of other classes want a class."""

    def layer(self, node: Node) -> Make:
        """Return the construction of a layer as a module."""

    def function(self, node: Node) -> Template | None:
        """Return a layer as a function call, or None if it must be a module, or if the dialect has no function for it."""

    def call(self, node: Node) -> Template:
        """Return how the module of a layer is called: "{self}({all})", unless something must be done around it."""


@dataclass(frozen=True)
class Value:
    """Be a local variable."""

    name: str


@dataclass(frozen=True)
class Apply:
    """Apply a layer or a part to values. `target` is "self.conv1", or "" if it is written as a function."""

    template: Template
    target: str
    inputs: tuple[Expression, ...]
    node: Node | None = None
    """The layer, or None if it is a part."""
    part: str = ""
    """The path of the part, or "" if it is a layer."""


Expression: TypeAlias = "Value | Apply"


@dataclass(frozen=True)
class Statement:
    """Assign an expression to a variable, or return it if `target` is None.

    If `condition` names a member, the statement is run only if that member is there, or, with `flag`, if it is true. `shape` is what the value's shape is in all
    instances, or None; `reasons` are comments that go above it.
    """

    target: str | None
    value: Expression
    condition: str | None = None
    shape: tuple[int, ...] | None = None
    reasons: tuple[str, ...] = ()
    flag: bool = False


@dataclass(frozen=True)
class Member:
    """Be one attribute of a class, or one entry of a sequence.

    `kind` is "layer" (with its `node`, the one of the first instance), "part" (an instance of a definition), "sequence" (written
    in place: `children` are its entries), "flag" (the constructor's argument `option` itself), "container" (of `children` that the class calls itself) or, in a sequence, "loop": its
    `children` stand there `repeat` times, under the stems of their names and numbers from that in `name` on; after each round the
    parameters `carried` are assigned, (what is assigned to, what is assigned). `option` names the
    constructor's argument that says whether it is there. `repeat` is how often the same thing stands in a sequence, under the
    consecutive numbers from that in `name` on: an integer, or Code; `series` names an argument that grows evenly meanwhile, and its
    values.
    """

    name: str
    kind: str
    make: Make | None = None
    node: Node | None = None
    option: str | None = None
    repeat: Any = 1
    children: tuple[Member, ...] = ()
    carried: tuple[tuple[str, str], ...] = ()
    series: tuple[str, range] | None = None


@dataclass(frozen=True)
class Parameter:
    """Be an argument of a definition's constructor."""

    name: str
    default: Any = REQUIRED


@dataclass(frozen=True)
class Definition:
    """Be a class with a forward, or a function that returns a sequence; `paths` are the places in which it stands.

    A class that is `listed` holds its members as a list does, or a dictionary, since some of them have numbers for names.
    """

    name: str
    sequence: bool
    parameters: tuple[Parameter, ...]
    members: tuple[Member, ...]
    inputs: tuple[str, ...]
    statements: tuple[Statement, ...]
    paths: tuple[str, ...]
    listed: bool = False


@dataclass(frozen=True)
class Outline:
    """Hold everything about a file but the spelling.

    `definitions` stand in the order in which they are written, each before its first use; `root` is the network itself, whose
    statements return nothing: `results` are its outputs, pairs (key or None, expression). `functions` are the layers written as
    function calls; `renamed` are layers, and what they are called in the file, where the dialect cannot keep a name.
    """

    graph: Graph
    root: Definition
    definitions: tuple[Definition, ...]
    results: tuple[tuple[str | None, Expression], ...]
    functions: frozenset[str]
    renamed: Mapping[str, str]
