"""Who is who in a network: the paths of its blocks and the names of its arrays."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unicnn.errors import PortError
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing.calling import called

Block, Parameter = mx.gluon.Block, mx.gluon.Parameter
_LAYERS = ("mxnet.gluon.nn.", "mxnet.gluon.contrib.nn.", "mxnet.gluon.contrib.cnn.")
_CONTAINERS = frozenset({"Sequential", "HybridSequential", "Concurrent", "HybridConcurrent", "Lambda", "HybridLambda"})


@dataclass(frozen=True)
class Placed:
    """Be a block's place: its path, and whether it is a layer rather than a container."""

    path: str
    layer: bool


@dataclass(frozen=True)
class Named:
    """Be an array of the network under its name; `parameter` is Gluon's, if it is in one."""

    name: str
    array: Any
    trainable: bool
    parameter: Any = None


@dataclass
class Survey:
    """Hold the places of blocks and the names of arrays, by identity."""

    blocks: dict[int, Placed] = field(default_factory=dict)
    arrays: dict[int, Named] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    dtypes: set[str] = field(default_factory=set)
    """The types of the arrays that the network is sure to use."""
    owners: list[Any] = field(default_factory=list)
    """The objects that may keep something from one call to the next."""

    @property
    def dtype(self) -> str:
        """Return the type of the network's numbers."""
        return "float64" if self.dtypes == {"float64"} else "float32"

    def add_block(self, block: Any, path: str) -> None:
        """Note a block and all that it holds, unless it is known."""
        if id(block) in self.blocks:
            return
        self.blocks[id(block)] = Placed(path, is_layer(block) and path != "")
        self.classes[path] = type(block).__name__
        self.owners.append(block)
        for named in _arrays_of(block, path):
            self.arrays.setdefault(id(named.array), named)
            self.dtypes.add(named.array.dtype.__name__)
        for name, child in _children(block):
            self.add_block(child, joined(path, name))


def joined(path: str, name: str) -> str:
    """Return the path of what is called `name` at `path`."""
    return f"{path}.{name}" if path and name else path or name


def is_layer(block: Any) -> bool:
    """Tell whether a block is one of Gluon's layers, or derived from one."""
    kinds = [kind for kind in type(block).__mro__ if kind.__module__.startswith(_LAYERS)]
    return bool(kinds) and not any(kind.__name__ in _CONTAINERS for kind in kinds)


def _children(block: Any) -> Iterator[tuple[str, Any]]:
    """Yield the blocks in a block, by the names that save_parameters gives them; those in plain lists last."""
    yield from block._children.items()
    for name, value in vars(block).items():
        if isinstance(value, (list, tuple, dict)) and not name.startswith("_"):
            yield from ((joined(name, key), item) for key, item in _items(value) if isinstance(item, Block))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return ((str(key), item) for key, item in pairs)


def _arrays_of(block: Any, path: str) -> Iterator[Named]:
    if isinstance(block, mx.gluon.SymbolBlock):  # its parameters have full names, and Gluon cuts off what they share
        parameters = dict(block.params.items())
    else:
        held = {id(parameter) for parameter in block._reg_params.values()}
        others = {name: item for name, item in block.params.items() if id(item) not in held}
        parameters = {**block._reg_params, **{name.removeprefix(block.prefix): item for name, item in others.items()}}
    for name, parameter in parameters.items():
        if parameter._data is not None:
            yield Named(joined(path, name), parameter.data(), parameter.grad_req != "null", parameter)
    for name, value in vars(block).items():
        for full, array in _loose(joined(path, name), value):
            yield Named(full, array, array.grad is not None)


def _loose(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays that a variable holds, itself or in a list or dict."""
    if isinstance(value, mx.nd.NDArray):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, item in _items(value):
            if isinstance(item, mx.nd.NDArray):
                yield f"{name}.{key}", item


def owner_of(function: Any) -> Any:
    """Return the object whose method a function is, or which is called itself; None of a plain function."""
    return None if inspect.isfunction(function) else getattr(function, "__self__", function)


def variables(function: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a function names (attributes of its object, variables around it, defaults), and what else its module holds."""
    if isinstance(function, functools.partial):
        found, others = variables(function.func)
        return found | {f"argument{i + 1}": item for i, item in enumerate(function.args)} | function.keywords, others
    owner = owner_of(function)
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        function = type(function).__call__
    function = inspect.unwrap(getattr(function, "__func__", function))
    found: dict[str, Any] = dict(vars(owner)) if owner is not None and hasattr(owner, "__dict__") else {}
    if not inspect.isfunction(function):
        return found, {}
    inside = inspect.getclosurevars(function)
    defaults = [item.default for item in inspect.signature(function).parameters.values()]
    found |= dict(inside.nonlocals) | dict(inside.globals)
    found |= {f"default{i + 1}": item for i, item in enumerate(defaults) if isinstance(item, mx.nd.NDArray)}
    return found, {name: item for name, item in function.__globals__.items() if name not in found and not name.startswith("_")}


def survey(value: Any) -> Survey:
    """Return who is who in a network: a block, or a function over arrays and blocks."""
    result = Survey()
    if not isinstance(value, Block):
        _add_variables(result, *variables(value))
        result.owners += [owner for owner in [owner_of(value)] if hasattr(owner, "__dict__") and not inspect.ismodule(owner)]
        return result
    result.add_block(value, "")
    if not _is_gluons(value):
        known = set(result.dtypes)
        _add_variables(result, *variables(value.hybrid_forward if _own_hybrid(value) else value.forward))
        result.dtypes = known or result.dtypes
    return result


def _add_variables(result: Survey, named: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    for outside in (named, others):  # others serve functions that this one calls
        arrays = [pair for name, item in outside.items() for pair in _loose(name, item)]
        arrays.sort(key=lambda pair: "." in pair[0])  # W1 is a better name than params.0
        learned = any(array.grad is not None for _, array in arrays)
        for name, array in arrays:
            result.arrays.setdefault(id(array), Named(name, array, array.grad is not None or not learned))
        if outside is named:
            result.dtypes |= {array.dtype.__name__ for _, array in arrays}
    blocks = ((joined(name, key), block) for name, item in named.items() for key, block in _blocks_in(item))
    for path, block in blocks:
        result.add_block(block, path)


def _blocks_in(item: Any) -> Iterator[tuple[str, Any]]:
    return iter([("", item)]) if isinstance(item, Block) else ((key, inner) for key, inner in _items(item) if isinstance(inner, Block))


def _is_gluons(block: Any) -> bool:
    return type(block).__module__.startswith("mxnet.")


def _own_hybrid(block: Any) -> bool:
    return isinstance(block, mx.gluon.HybridBlock) and type(block).forward is mx.gluon.HybridBlock.forward


@contextlib.contextmanager
def kept(found: Survey) -> Iterator[None]:
    """Give every object of a network, afterwards, the attributes that it had: a network may keep running statistics in them."""
    before = [(owner, dict(vars(owner))) for owner in found.owners]
    try:
        yield
    finally:
        for owner, attributes in before:  # past Block's own way of setting them, which looks at each
            vars(owner).clear()
            vars(owner).update(attributes)


def settle(value: Any, inputs: tuple[Any, ...]) -> None:
    """Give every parameter of a block its shape, by one pass if some still wait for their first; refuse a block without numbers."""
    if not isinstance(value, Block):
        return
    parameters = value.collect_params()
    if missing := [name for name, item in parameters.items() if item._data is None and not item._deferred_init]:
        raise PortError(
            f"{type(value).__name__}: parameter {missing[0]} has no values yet, so there is nothing to port. "
            "Call net.initialize(), or net.load_parameters(file), before."
        )
    if any(item._data is None for item in parameters.values()):
        with mx.autograd.train_mode():  # in inference MXNet would move the weights, which are read soon
            called(value, inputs)


def names_of_inputs(value: Any, count: int) -> tuple[str, ...]:
    """Return what the inputs are called: by the author of the network, or "input"."""
    found = _arguments(value)
    if len(found) < count or (count == 1 and found[0] in ("x", "X", "data", "input", "inputs")):
        return ("input",) if count == 1 else tuple(f"input{i + 1}" for i in range(count))
    return tuple(found[:count])


def _arguments(value: Any) -> list[str]:
    if isinstance(value, mx.gluon.SymbolBlock):
        return [symbol.name for symbol in value._cached_graph[0]]
    if not isinstance(value, Block):
        function, skipped = value, 0
    elif _own_hybrid(value):
        function, skipped = value.hybrid_forward, 1
    else:
        function, skipped = value.forward, 0
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [item.name for item in inspect.signature(function).parameters.values() if item.kind in kinds][skipped:]
    return [name for name in names if not isinstance(value, Block) or name not in value._reg_params]


def speaks_mxnet(value: Any) -> bool:
    """Tell whether `value` is a function that names MXNet, its arrays or blocks, or whose functions do."""
    if not callable(value) or isinstance(value, type):
        return False
    waiting, seen = [value], set[int]()
    while waiting:
        function = waiting.pop()
        seen.add(id(function))
        for item in _named_by(function):
            if isinstance(item, (mx.nd.NDArray, Block)) or any(item is module for module in (mx, mx.nd, mx.gluon, mx.gluon.nn)):
                return True
            if inspect.isfunction(item) and id(item) not in seen:
                waiting.append(item)
    return False


def _named_by(function: Any) -> list[Any]:
    try:
        found, _ = variables(function)
    except (TypeError, AttributeError, ValueError):
        return []
    return [*found.values(), *(inner for item in found.values() for _, inner in _items(item))]
