"""What layers are called: modules are found again in the names of nodes and of weights.

PyTorch calls a node "/layer1/layer1.0/conv1/Conv" after the modules around it; a second call of a module has a number, "relu_1".
Elsewhere a node's own name is the layer's, unless it is none but the operator's with a number.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

import onnx

from unicnn.porting.lifting.patterns import recognise
from unicnn.porting.tape import Call, Tape

_ROLES = {
    *("weight", "bias", "kernel", "gamma", "beta", "scale", "shift", "mean", "var", "W", "B"),
    *("running_mean", "running_var", "moving_mean", "moving_var", "moving_variance"),
}
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization"}
_MERGED = ({"linear", "add"}, {"conv", "add"}, {"conv_transpose", "add"})
"""Calls that are one layer."""


@dataclasses.dataclass(frozen=True)
class Scope:
    """Be where a node stands: the path of its module, and whether the path is the layer's for certain."""

    path: str
    own: bool


def scope_of(node: onnx.NodeProto, weights: Sequence[str]) -> Scope:
    """Return where a node stands; `weights` are the names of its inputs that are tensors of the file."""
    module = next((path for name in weights if (path := _module_of(name))), "")
    if module and node.op_type in _LAYERS:
        return Scope(module, True)
    if node.name.startswith("/"):
        return Scope(_joined(node.name.split("/")[1:-1]), False)
    around = modules_of(node)
    if around:
        path, kind = around[-1]
        return Scope(path, bool(path) and kind.startswith("torch.nn.modules.") and ".container." not in kind)
    if node.name and node.name == node.output[0]:
        return Scope(plain(node.name), True)
    if re.fullmatch(rf"({node.op_type}|node_\w+?|node|n)?_?\d*", node.name):
        return Scope(module, bool(module))
    return Scope(plain(node.name), True)


def plain(name: str) -> str:
    """Return a name of ONNX as a name of a description: ``model/conv1:0`` is model.conv1."""
    cleaned = re.sub(r"[^A-Za-z0-9_.\-]", "_", re.sub(r"[/:]+", ".", re.sub(r":\d+$", "", name)).strip("."))
    return cleaned if re.match(r"[A-Za-z0-9_]", cleaned) else f"_{cleaned}"


def _module_of(weight: str) -> str:
    """Return the module that holds a weight, or "" if the name does not tell: "conv1" of "conv1.weight"."""
    path, _, role = re.sub(r":\d+$", "", weight).replace("/", ".").rpartition(".")
    return plain(path) if path and role in _ROLES and "::" not in weight else ""


def _joined(parts: Sequence[str]) -> str:
    """Return a path of its parts, of which some repeat the one before: layer1, layer1.0, conv1 is layer1.0.conv1."""
    path: list[str] = []
    for part in parts:
        if path and part.startswith(path[-1] + "."):
            path.pop()
        path.append(part)
    return plain(".".join(path)) if path else ""


def modules_of(node: onnx.NodeProto) -> list[tuple[str, str]]:
    """Return the paths and the classes of the modules around a node, outermost first, as PyTorch's newer exporter notes them."""
    noted = {item.key: item.value for item in node.metadata_props}
    try:
        paths, kinds = (ast.literal_eval(noted[f"pkg.torch.onnx.{key}"])[:-1] for key in ("name_scopes", "class_hierarchy"))
    except (KeyError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return []
    return [(str(path), str(kind)) for path, kind in zip(paths, kinds, strict=False)]


def settled(tape: Tape) -> Tape:
    """Return the tape with every scope that holds a single layer, and no other scope, counted as that layer.

    What is a layer in several calls, as GELU is, is recognised first.
    """
    tape = recognise(tape)
    scopes: dict[str, list[Call]] = {}
    for call in tape.calls:
        scopes.setdefault(call.path, []).append(call)
    around = {path[:end] for path in scopes for end in (match.start() for match in re.finditer(r"\.", path))}
    single = {path: _module_called(path, scopes) for path, calls in scopes.items() if path and path not in around and _is_layer(calls)}
    return dataclasses.replace(
        tape,
        calls=tuple(
            dataclasses.replace(call, path=single[call.path], own=True) if call.path in single and not call.own else call
            for call in tape.calls
        ),
    )


def _is_layer(calls: Sequence[Call]) -> bool:
    count = Counter(call.op for call in calls)
    return len(calls) == 1 or (len(calls) == 2 and set(count) in _MERGED)


def _module_called(path: str, scopes: dict[str, list[Call]]) -> str:
    """Return the module that was called once more, if a path says so: "relu" of "relu_1"."""
    match = re.fullmatch(r"(.+)_\d+", path)
    again = match is not None and match[1] in scopes and [c.op for c in scopes[match[1]]] == [c.op for c in scopes[path]]
    return match[1] if match is not None and again else path
