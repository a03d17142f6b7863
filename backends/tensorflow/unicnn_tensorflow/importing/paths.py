"""Where modules and variables are: dotted paths of attributes, and layers' names in models that are graphs of layers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import keras
import tensorflow as tf

from unicnn_tensorflow.importing import kinds


class Paths:
    """Know the path of every module of a network, and the name of every variable."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.paths: dict[int, str] = {}
        self.modules: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.variables: dict[str, Any] = {}
        self.made_up: set[str] = set()
        """The paths that end in a name that Keras made up."""
        self._add(root, "")

    def path(self, layer: Any, scope: str) -> str:
        """Return a layer's path; one that is nobody's attribute is a part, under its own name, of what has called it."""
        if id(layer) not in self.paths:
            self._add(layer, _free(join(scope, layer.name), self.modules), called=True)
        return self.paths[id(layer)]

    def variable(self, variable: Any) -> str:
        """Return the name of a variable; one that is nobody's attribute goes by its own."""
        key = id(variable.handle)
        if key not in self.names:
            self._name(variable, variable.name.partition(":")[0])
        return self.names[key]

    @property
    def classes(self) -> dict[str, str]:
        """Return the class name of each module."""
        return {path: type(module).__name__ for path, module in self.modules.items() if path}

    def _name(self, variable: Any, wanted: str) -> None:
        name = _free(wanted, self.variables)
        self.names[id(variable.handle)], self.variables[name] = name, variable

    def _add(self, module: Any, path: str, *, called: bool = False) -> None:
        """Note a module and what it holds; `called` says that it is its own name that stands in the path."""
        if id(module) in self.paths:
            return
        if called and kinds.made_up(module):
            self.made_up.add(path)
        self.paths[id(module)], self.modules[path] = path, module
        for name, variable in _own_variables(module):
            if id(variable.handle) not in self.names:
                self._name(variable, variable_name(path, name))
        for name, child in children(module):
            self._add(child, join(path, name), called=is_graph(module))


def join(scope: str, name: str) -> str:
    """Return the path of something in a scope."""
    return f"{scope}.{name}" if scope else name


def variable_name(path: str, name: str) -> str:
    """Return the name of a module's variable: "conv1/kernel"."""
    return f"{path}/{name}" if path else name


def children(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the modules that one holds: a graph of layers by their names, everything else by its attributes."""
    if is_graph(module):
        yield from ((layer.name, layer) for layer in module.layers)
        return
    for name, value in _attributes(module):
        yield from ((path, item) for path, item in _items(name, value) if isinstance(item, tf.Module) or kinds.is_layer(item))


def is_graph(module: Any) -> bool:
    """Tell whether a module is a graph of layers, which are called by their names in it."""
    return isinstance(module, keras.Sequential) or hasattr(module, "_inputs_struct")


def _own_variables(module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(module):
        for path, item in _items(name, value):
            if isinstance(item, tf.Variable):
                yield path, item
            elif isinstance(item, keras.Variable):
                auto = re.fullmatch(r"variable(_\d+)?", item.name)
                yield (path if auto else item.name), item.value


def _attributes(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that the user has set, not those in which Keras keeps its books."""
    for name, value in vars(module).items() if hasattr(module, "__dict__") else ():
        if name not in _books() and not name.startswith("_self_"):
            yield name, value


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an attribute holds, in lists and dicts by index and key."""
    if isinstance(value, Mapping):
        pairs: Any = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        yield name, value
        return
    for key, item in pairs:
        yield from _items(f"{name}.{key}", item)


@lru_cache(maxsize=1)
def _books() -> frozenset[str]:
    return frozenset(vars(keras.Model())) | frozenset({"_functional", "_tracked", "_layers", "_nested_inputs", "_nested_outputs"})


def _free(name: str, taken: Any) -> str:
    used = set(taken)
    return name if name not in used else next(full for i in itertools.count(1) if (full := f"{name}_{i}") not in used)
