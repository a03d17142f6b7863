"""From exported ATen calls to the words of the tape."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from unicnn.porting.tape import Call, Constant, Operand, Tape, Where
from unicnn_torch.importing.aten import Node, Word, words

_FRAMEWORK = (str(Path(torch.__file__).parent), sysconfig.get_paths()["stdlib"])


def translated(net: nn.Module, program: Any) -> Tape:
    """Return the tape of an exported program."""
    return _Translator(net, program).tape()


class _Translator:
    def __init__(self, net: nn.Module, program: Any) -> None:
        self.net, self.program = net, program
        self.state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        self.names: dict[str, str] = {}
        self.constants: dict[str, Constant] = {}
        self.calls: list[Call] = []
        self.parts: dict[str, list[str]] = {}

    def tape(self) -> Tape:
        signature = self.program.graph_signature
        self._read_inputs(signature)
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self._call(node)
        shapes = {node.name: tuple(node.meta["val"].shape) for node in self.program.graph.nodes if node.op == "placeholder"}
        outputs = [spec.arg.name for spec in signature.output_specs if spec.kind.name == "USER_OUTPUT"]
        keys = _keys(self.program, len(outputs))
        return Tape(
            _snake(type(self.net).__name__),
            tuple(("input" if len(signature.user_inputs) == 1 else name, shapes[name]) for name in signature.user_inputs),
            tuple(self.calls),
            self.constants,
            tuple((key, str(self._operand_name(name))) for key, name in zip(keys, outputs, strict=True)),
            {path: type(module).__name__ for path, module in self.net.named_modules()},
        )

    def _read_inputs(self, signature: Any) -> None:
        single = len(signature.user_inputs) == 1
        for spec in signature.input_specs:
            name = spec.arg.name
            if spec.kind.name == "USER_INPUT":
                self.names[name] = "input" if single else name
                continue
            self.names[name] = spec.target
            tensor = self.state.get(spec.target)
            tensor = self.program.constants.get(spec.target) if tensor is None else tensor
            self.constants[spec.target] = _constant(spec.target, tensor)

    def _call(self, node: fx.Node) -> None:
        if "val" not in node.meta or not self._floating(node):
            return  # the count of batches that batch norm keeps
        if "getitem" in str(node.target):
            source, place = node.args
            self.names[node.name] = self.parts[source.name][place]
            return
        path, own = self._module(node)
        where = _where(node.meta.get("stack_trace"))

        def note(made: list[Word]) -> str:
            for word in made:
                self.calls.append(Call(word.op, word.name, word.inputs, word.shape, word.attributes, path, own, where))
            return self.calls[-1].name if made else ""

        made = words(Node(node, _arguments(node), self._operand, self._shape(node)))
        if isinstance(made, tuple):
            self.parts[node.name] = [note(part) for part in made]
        elif isinstance(made, str):
            self.names[node.name] = made
        else:
            note(made)

    def _floating(self, node: fx.Node) -> bool:
        value = node.meta["val"]
        leaves = [value] if isinstance(value, torch.Tensor) else value
        return all(leaf.is_floating_point() for leaf in leaves if isinstance(leaf, torch.Tensor))

    def _shape(self, node: fx.Node) -> Any:
        value = node.meta["val"]
        return tuple(value.shape) if isinstance(value, torch.Tensor) else [tuple(item.shape) for item in value]

    def _operand_name(self, name: str) -> str:
        return self.names.get(name, name)

    def _operand(self, value: Any) -> Operand:
        if isinstance(value, fx.Node):
            return self._operand_name(value.name)
        return None if value is None else float(value)

    def _module(self, node: fx.Node) -> tuple[str, bool]:
        """Return the path of the innermost module that made a call, and whether it is a layer."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = re.sub(r"@\d+$", "", str(stack[-1][0])) if stack else ""
        module = self.net.get_submodule(path) if path else self.net
        return path, bool(path) and type(module).__module__.startswith("torch.nn.modules") and not list(module.children())


def _arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of a call by name, defaults included."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(place): value for place, value in enumerate(node.args)}
    found: dict[str, Any] = {}
    for place, argument in enumerate(schema.arguments):
        default = argument.default_value
        found[argument.name] = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name, default)
    return found


def _constant(name: str, tensor: torch.Tensor) -> Constant:
    trainable = isinstance(tensor, nn.Parameter)
    return Constant(name, tuple(tensor.shape), lambda: tensor.detach().cpu().numpy(), trainable)


def _where(trace: str | None) -> Where | None:
    """Return the innermost line of a stack that is the user's."""
    found = None
    for file, line, text in _frames(trace or ""):
        if not file.startswith(_FRAMEWORK):
            found = Where(file, line, text)
    return found


def _frames(trace: str) -> Iterator[tuple[str, int, str]]:
    for match in re.finditer(r'File "(.+?)", line (\d+), in .*\n(?:    (.*))?', trace):
        yield match[1], int(match[2]), match[3] or ""


def _keys(program: Any, count: int) -> list[str | None]:
    spec = program.call_spec.out_spec
    if spec.type is dict and spec.num_leaves == spec.num_children == count:
        return list(spec.context)
    fields: Mapping[Any, Any] | Any = getattr(spec.type, "_fields", None)
    return [None] * count if fields is None else list(fields)[:count]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "-", name).lower()
