"""From exported ATen calls to the words of the tape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from unicnn.errors import PortError
from unicnn.porting.outline.words import network_name
from unicnn.porting.tape import Call, Constant, Operand, Tape
from unicnn_torch.importing.aliasing import Aliases, changed
from unicnn_torch.importing.aten import NEAREST, base_name, words
from unicnn_torch.importing.exporting import dtype_of
from unicnn_torch.importing.lines import where
from unicnn_torch.importing.nodes import Node, Passed, Word, part_name

_PRECISION = "Keep one precision throughout the network, and choose another by net.half() or net.double()."


@dataclass(frozen=True)
class Translated:
    """Hold a tape; `recorded` tells by the graph's nodes which value of the tape they give, `constants` which placeholder holds what."""

    tape: Tape
    recorded: Mapping[str, str]
    outputs: tuple[int, ...]
    """The places of the tape's outputs among those of the graph."""


def translated(net: nn.Module, program: Any, *, training: bool) -> Translated:
    """Return the tape of an exported program."""
    return _Translator(net, program, training).translated()


class _Translator:
    def __init__(self, net: nn.Module, program: Any, training: bool) -> None:
        self.net, self.program, self.training, self.dtype = net, program, training, dtype_of(net)
        self.operands: dict[str, Operand] = {}
        self.constants: dict[str, Constant] = {}
        self.calls: list[Call] = []
        self.parts: dict[str, list[Operand]] = {}
        self.recorded: dict[str, str] = {}
        self.aliases = Aliases(program.graph)
        self.modules = dict(net.named_modules(remove_duplicate=False))

    def translated(self) -> Translated:
        signature = self.program.graph_signature
        inputs = self._inputs(signature)
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self._call(node)
        self._check_state(signature)
        places = [place for place, spec in enumerate(signature.output_specs) if _is_value(spec)]
        keys = _keys(self.program, sum(spec.kind.name == "USER_OUTPUT" for spec in signature.output_specs))
        first = min(place for place, spec in enumerate(signature.output_specs) if spec.kind.name == "USER_OUTPUT") if places else 0
        outputs = tuple((keys[place - first], self._output(signature.output_specs[place].arg.name)) for place in places)
        classes = {path: type(module).__name__ for path, module in self.net.named_modules()}
        tape = Tape(network_name(type(self.net).__name__), inputs, tuple(self.calls), self.constants, outputs, classes)
        return Translated(tape, self.recorded, tuple(places))

    def _inputs(self, signature: Any) -> tuple[tuple[str, tuple[int, ...]], ...]:
        shapes = {
            node.name: tuple(node.meta["val"].shape) for node in self.program.graph.nodes if node.op == "placeholder" and "val" in node.meta
        }
        used = [spec.arg.name for spec in signature.input_specs if spec.kind.name == "USER_INPUT"]
        named = {name: "input" if len(used) == 1 else name for name in used}
        self.operands.update(named)
        state = _state(self.net)
        for spec in signature.input_specs:
            if spec.kind.name == "USER_INPUT":
                continue
            tensor, name = state.get(spec.target, (None, spec.target))
            tensor = self.program.constants.get(spec.target) if tensor is None else tensor
            if str(spec.target).startswith("lifted_tensor_"):
                if tensor.dim() == 0:
                    self.operands[spec.arg.name] = float(tensor)
                    continue
                name = self._constant_name(spec.arg.name)
            self.operands[spec.arg.name] = name
            self.constants[name] = constant(name, tensor, trainable=_learned(self.net, tensor))
        return tuple((named[name], shapes[name]) for name in used)

    def _constant_name(self, placeholder: str) -> str:
        """Return the name of an array that code makes: the module's path and a number."""
        node = next(node for node in self.program.graph.nodes if node.name == placeholder)
        path = self._module(next(iter(node.users), node))[0]
        taken = {*self.constants}
        names = (f"{path}.constant{i}".lstrip(".") for i in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    def _call(self, node: fx.Node) -> None:
        if node.meta.get("val") is None:
            return  # an assertion
        if getattr(node.target, "__name__", "") == "getitem":
            self._part(node)
            return
        self._check_change(node)
        name = self._free(node.name)
        arguments = Node(node, _arguments(node), self._operand, _shape(node), name, self.training, self._module(node)[1])
        made = words(arguments) if self._understood(node) else arguments.unknown(*self._misunderstood(node))
        if isinstance(made, Passed):
            self.operands[node.name] = made.operand
        elif isinstance(made, tuple):
            self.parts[node.name] = [self._note(node, part) for part in made]
        else:
            self.operands[node.name] = self.recorded[node.name] = self._note(node, made)
        if changed(node) is not None:
            for other in self.aliases.names(node):
                self.operands[other.name] = self.operands[node.name]

    def _part(self, node: fx.Node) -> None:
        source, place = node.args
        assert isinstance(source, fx.Node)
        assert isinstance(place, int)
        self.operands[node.name] = part = self.parts[source.name][place]
        if isinstance(part, str):
            self.recorded[node.name] = part

    def _note(self, node: fx.Node, made: list[Word]) -> str:
        path, own = self._module(node)
        line = where(node.meta.get("stack_trace"))
        for word in made:
            self.calls.append(Call(word.op, word.name, word.inputs, word.shape, word.attributes, path, own, line))
        return self.calls[-1].name

    def _free(self, name: str) -> str:
        taken = name in self.constants or name in (self.operands.get(spec) for spec in self.program.graph_signature.user_inputs)
        return part_name(name, "value") if taken else name

    def _understood(self, node: fx.Node) -> bool:
        """Tell whether a call gives numbers of the network's own type, as all words do."""
        leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(node.meta["val"]) if isinstance(leaf, torch.Tensor)]
        known = [leaf.dtype == self.dtype for leaf in leaves]
        return bool(known) and (all(known) or (len(known) == 2 and known[0]))  # a maximum comes with its places

    def _misunderstood(self, node: fx.Node) -> tuple[str, str | None]:
        value = node.meta["val"]
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return f"{base_name(node.target)} giving {str(value.dtype).removeprefix('torch.')}", _PRECISION
        base = base_name(node.target)
        return base, NEAREST.get(base)

    def _check_change(self, node: fx.Node) -> None:
        """Raise PortError where a change in place reaches what a tape cannot follow."""
        value = changed(node)
        if value is None or not value.meta["val"].is_floating_point() or base_name(node.target) == "detach":
            return
        line, origin = where(node.meta.get("stack_trace")), self.aliases.origin(value)
        at = f"{base_name(node.target)}_ in {self._module(node)[0] or 'the network'}{f' at {line}' if line else ''}"
        kind = next((s.kind.name for s in self.program.graph_signature.input_specs if s.arg.name == origin.name), "")
        if kind in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR"):
            raise PortError(
                f"{at} changes {self.operands.get(origin.name, origin.name)}, which the network keeps from one call to the next, and a "
                "description keeps nothing but running statistics. Compute a new value instead of changing this one."
            )
        reader = self.aliases.onlooker(node)
        if reader is not None:
            seen = where(reader.meta.get("stack_trace"))
            raise PortError(
                f"{at} changes in place a value of which other views are read afterwards{f', at {seen}' if seen else ''}. Write it without "
                "changing anything in place, as in y = torch.relu(x)."
            )

    def _check_state(self, signature: Any) -> None:
        for spec in signature.output_specs:
            if spec.kind.name == "BUFFER_MUTATION" and _state(self.net)[spec.target][0].is_floating_point():
                raise PortError(
                    f"{spec.target} is changed by a call of the network, and a description keeps nothing but running statistics."
                )

    def _output(self, name: str) -> str:
        operand = self.operands[name]
        if not isinstance(operand, str):
            raise PortError(
                f"{type(self.net).__name__} returns the number {operand}, whatever its input. Return something computed from the input."
            )
        return operand

    def _operand(self, value: Any) -> Operand:
        if isinstance(value, fx.Node):
            return self.operands.get(value.name, value.name)
        return None if value is None else float(value)

    def _module(self, node: fx.Node) -> tuple[str, bool]:
        """Return the path of the innermost module that made a call, and whether it is a layer."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = re.sub(r"@\d+$", "", str(stack[-1][0])) if stack else ""
        module = self.modules.get(path, self.net)
        return path, bool(path) and _is_layer(module)


def _is_layer(module: nn.Module) -> bool:
    """Tell whether a module is a layer of PyTorch's, or made from one, and no container."""
    bases = (base.__module__ for base in type(module).__mro__ if base is not nn.Module)
    layer = any(base.startswith("torch.nn.modules.") and not base.endswith(".container") for base in bases)
    return layer and not list(module.children())


def _state(net: nn.Module) -> dict[str, tuple[torch.Tensor, str]]:
    """Return every parameter and buffer by each of its names, with the first of its names."""
    first: dict[int, str] = {}
    named = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
    return {name: (tensor, first.setdefault(id(tensor), name)) for name, tensor in named}


def _learned(net: nn.Module, tensor: torch.Tensor) -> bool:
    """Tell whether a training would change an array; in a network that is frozen as a whole, every parameter counts."""
    if not isinstance(tensor, nn.Parameter):
        return False
    return tensor.requires_grad or not any(parameter.requires_grad for parameter in net.parameters())


def constant(name: str, tensor: torch.Tensor, *, trainable: bool) -> Constant:
    """Return a constant that reads a tensor, without a copy unless NumPy lacks its type or its device."""
    plain = tensor.detach()
    return Constant(name, tuple(tensor.shape), lambda: (plain.float() if plain.dtype == torch.bfloat16 else plain).cpu().numpy(), trainable)


def _arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of a call by name, defaults included."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(place): value for place, value in enumerate(node.args)}
    found: dict[str, Any] = {}
    for place, argument in enumerate(schema.arguments):
        default = argument.default_value
        found[argument.name] = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name, default)
    return _synonyms(schema.name, found)


def _synonyms(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operator under the names that the one has which does not work in place."""
    renamed = {"self": "input"} if name.endswith("dropout_") else {}
    return {renamed.get(key, key): value for key, value in found.items()}


def _shape(node: fx.Node) -> Any:
    value = node.meta["val"]
    if isinstance(value, (list, tuple)):
        return [tuple(getattr(item, "shape", ())) for item in value]
    return tuple(getattr(value, "shape", ()))  # a number that was read from a value has none


def _is_value(spec: Any) -> bool:
    return spec.kind.name == "USER_OUTPUT" and type(spec.arg).__name__ == "TensorArgument"


def _keys(program: Any, count: int) -> list[str | None]:
    """Return the names of the outputs that a dict or a named tuple gives them."""
    spec = program.call_spec.out_spec
    if not spec.num_leaves == spec.num_children == count:
        return [None] * count
    if isinstance(spec.type, type) and issubclass(spec.type, dict):
        names = spec.context[1] if len(spec.context) == 2 and isinstance(spec.context[1], list) else spec.context
        return [str(name) for name in names]
    fields = getattr(spec.type, "_fields", None) or getattr(spec.context, "_fields", None)
    return [None] * count if fields is None else list(fields)
