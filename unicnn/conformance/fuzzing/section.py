"""One framework's part of a reproduction: what its lowering of a layer runs, as plain code."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.backend import Backend, Runtime
from unicnn.conformance.fuzzing.inlining import Inliner, NotInlinable, Piece, used
from unicnn.conformance.fuzzing.pruning import pruned, run_recorded
from unicnn.conformance.fuzzing.spot import Spot
from unicnn.derivatives import RULES
from unicnn.ops.base import family
from unicnn.ops.loss import Loss

Array: TypeAlias = np.ndarray[Any, Any]

PACKED = ("conv", "conv_transpose", "linear")
"""The kinds of parameters that a framework may hold in another order."""


WIDTH = 110


@dataclass(frozen=True)
class Section:
    """Be a function `with_<framework>(data)` as text, under the name of the framework."""

    title: str
    distribution: str
    install: str
    function: str
    text: str


def section(spot: Spot, backend: str, data: Mapping[str, Array]) -> Section:
    """Return a backend's part; raise NotInlinable if its source cannot stand alone."""
    loaded = plugins.backend(backend)
    writer = _Writer(spot, loaded)
    pieces = writer.pieces(data)
    body = "\n\n".join(_blocks(pieces))
    function = f"with_{backend}"
    text = f'def {function}(data):\n    """Return what {loaded.info.title} computes."""\n{textwrap.indent(body, "    ").rstrip()}\n'
    installed = next((name for name in loaded.info.distributions if _has(name)), loaded.info.distributions[0])
    return Section(loaded.info.title, installed, loaded.info.install, function, text)


def differentiates(backend: str) -> bool:
    """Tell whether a backend's plain code has gradients of its own."""
    try:
        plain = importlib.import_module(f"{plugins.backend(backend).info.package}.plain")
    except ImportError:
        return False
    return hasattr(plain, "vjp")


def _has(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _blocks(pieces: list[Piece]) -> list[str]:
    """Return the imports as one block, and every further piece as one."""
    imports = [piece.text.strip() for piece in pieces if piece.text.startswith(("import ", "from "))]
    others = [piece.text.strip("\n") for piece in pieces if not piece.text.startswith(("import ", "from "))]
    return [*(["\n".join(imports)] if imports else []), *others]


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _returned(results: Mapping[str, str]) -> str:
    """Return the statement that returns results by name."""
    items = [f'"{name}": {text}' for name, text in results.items()]
    line = f"return {{{', '.join(items)}}}"
    return line if len(line) <= WIDTH else "return {\n" + "".join(f"    {item},\n" for item in items) + "}"


def variable(name: str) -> str:
    """Return what the input called `name` is called in a script: x, or x1 and x2."""
    return name.replace("input", "x")


class _Writer:
    """Write the part of one backend."""

    def __init__(self, spot: Spot, backend: Backend) -> None:
        self.spot, self.backend = spot, backend
        self.attributes = "".join(f", {key}={_literal(value)}" for key, value in spot.attributes.items())
        self.runtime = backend.start("cpu", "float32")
        self.loss = isinstance(spot.op, Loss)
        self.inliner = Inliner((backend.info.package, "unicnn"))
        self.plain = self._plain()
        lowering = backend.function(family(type(spot.op)), spot.lowering)
        if lowering is None:
            raise NotInlinable(f"{backend.info.title} has no {spot.lowering}")
        self.lowering = self.inliner.add(lowering)

    def _plain(self) -> ModuleType:
        try:
            return importlib.import_module(f"{self.backend.info.package}.plain")
        except ImportError:
            raise NotInlinable(f"{self.backend.info.package} has no module plain") from None

    def pieces(self, data: Mapping[str, Array]) -> list[Piece]:
        """Return everything that the function holds, without what did not run."""
        tail = self._with_vjp() if hasattr(self.plain, "vjp") else self._with_rule()
        everything = [*self.inliner.all(), Piece((), tail)]
        given = {name: np.array(array) for name, array in data.items()}
        callable_tail = Piece((), "def __run__(data):\n" + textwrap.indent(tail, "    ") + "\n__run__(data)\n")
        with np.errstate(all="ignore"):
            taken = run_recorded([*everything[:-1], callable_tail], {"data": given})
        try:
            small = pruned(everything, {key: value for key, value in taken.items() if key[0] < len(everything) - 1})
            return [*used(small[:-1], small[-1].needs), small[-1]]
        except SyntaxError:
            return [*used(everything[:-1], everything[-1].needs), everything[-1]]

    # What is called

    def _plain_name(self, name: str) -> str:
        return self.inliner.add(getattr(self.plain, name))

    def _operand(self, name: str) -> str:
        """Return an operand as the lowering takes it."""
        if name in self.spot.names or (name in ("mask", "target") and self._is_value(name)):
            return self._order("enter", variable(name), len(self._array(name).shape))
        kind = self._kind(name)
        if kind in PACKED and hasattr(self.plain, "parameter"):
            return f"{self._plain_name('parameter')}({name}, {_literal(kind)})"
        return name

    def _is_value(self, name: str) -> bool:
        return name == "mask" or self.spot.cotangent.dtype == np.float32

    def _array(self, name: str) -> Array:
        return self.spot.inputs[0] if name == "mask" else self.spot.arrays()[name]

    def _kind(self, name: str) -> str:
        return "" if self.loss or name == "mask" else self.spot.graph.nodes[0].parameters[name].kind

    def _order(self, which: str, text: str, rank: int) -> str:
        """Return a value turned into the backend's order of axes, or back, if it has one of its own."""
        function: Callable[..., Any] = getattr(self.backend.runtime, which)
        example = self.runtime.tensor(np.zeros((2,) * rank, np.float32))
        if function is getattr(Runtime, which) or function(example) is example:
            return text
        return f"{self.inliner.add(function)}({text})"

    def _call(self, operands: Mapping[str, Array | None]) -> str:
        listed = ", ".join("None" if array is None else self._operand(name) for name, array in operands.items())
        return f"{self.lowering}({listed}{self.attributes})"

    def _operands(self) -> dict[str, Array | None]:
        return self.spot.operands(np.empty(0) if self.spot.op.masked and self.spot.training else None)

    def _differentiable(self) -> list[str]:
        if self.loss:
            return ["input"]
        parameters = self.spot.graph.nodes[0].parameters
        return [*self.spot.names, *(key for key in self.spot.op.operands if key in parameters and parameters[key].trainable)]

    # The two ways to gradients

    def _given(self, names: list[str]) -> list[str]:
        tensor = self._plain_name("tensor")
        return [f'{variable(name)} = {tensor}(data["{variable(name)}"])' for name in names]

    def _with_vjp(self) -> str:
        """Return the end of the function where the framework differentiates."""
        operands, learned = self._operands(), self._differentiable()
        fixed = [name for name, array in operands.items() if array is not None and name not in learned]
        call, vjp, tensor, array = self._call(operands), *(self._plain_name(name) for name in ("vjp", "tensor", "array"))
        if not self.loss:
            rank = len(self.spot.graph.nodes[0].shape) + 1
            call = self._order("leave", call + ("[0]" if self.spot.op.states else ""), rank)
        names = [variable(name) for name in learned]
        listed = ", ".join(f'{tensor}(data["{name}"])' for name in names)
        cotangent = "None" if self.loss else f'{tensor}(data["cotangent"])'
        results = {f"grad_{name}": f"{array}(gradients[{place}])" for place, name in enumerate(names)}
        output = f"{array}(output).reshape(1)" if self.loss else f"{array}(output)"
        lines = [
            *self._given(fixed),
            *([""] if fixed else []),
            f"def compute({', '.join(names)}):",
            f"    return {call}",
            "",
            f"output, gradients = {vjp}(compute, [{listed}], {cotangent})",
            _returned({"output": output} | results),
        ]
        return "\n".join(lines)

    def _with_rule(self) -> str:
        """Return the end of the function where the derivative is written out."""
        operands, learned = self._operands(), self._differentiable()
        array = self._plain_name("array")
        call = self._call(operands) + ("[0]" if self.spot.op.states else "")
        rule = self.inliner.add(RULES[self.spot.lowering])
        table = self._table()
        values = ", ".join("None" if item is None else variable(name) for name, item in operands.items())
        names = [variable(name) for name in operands]
        results = {f"grad_{variable(name)}": f"{array}(rule[{names.index(variable(name))}]())" for name in learned}
        lines = [
            *self._given([name for name, item in operands.items() if item is not None]),
            f"output = {call}",
            f"functions = SimpleNamespace({', '.join(f'{name}={flat}' for name, flat in table.items())})",
            "cotangent = np.ones_like(output)" if self.loss else 'cotangent = data["cotangent"]',
            f"rule = {rule}(functions, cotangent, output, {values}{self.attributes})",
            _returned({"output": f"{array}(output)"} | results),
        ]
        return "\n".join(lines)

    def _table(self) -> dict[str, str]:
        """Return the functions that the rule takes from its table, by name, with what they are called here."""
        self.inliner.imports.setdefault("SimpleNamespace", "from types import SimpleNamespace")
        self.inliner.imports.setdefault("np", "import numpy as np")
        table, done = self.backend.table(), {}
        text = "\n".join(piece.text for piece in self.inliner.pieces.values())
        for name in sorted(set(table)):
            if re.search(rf"\bt\.{name}\(", text):
                done[name] = self.inliner.add(table[name])
        return done
