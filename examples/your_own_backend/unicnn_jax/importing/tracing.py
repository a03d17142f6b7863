"""Tracing a module: one pass of a copy becomes a jaxpr that knows where its modules, its layers and its lines are."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend import core

from unicnn.errors import PortError
from unicnn_jax.importing.layers import LAYERS, Said, batch_norm, dropout

BEGIN, END = core.Primitive("unicnn_begin"), core.Primitive("unicnn_end")
for _primitive in (BEGIN, END):
    _primitive.def_impl(lambda x, *, mark: x)
    _primitive.def_abstract_eval(lambda x, *, mark: x)

SCOPE = "unicnn_scope_"


@dataclass(frozen=True)
class Mark:
    """Be a layer of Flax's that was called: `variables` are the names of its arrays, None where it has none."""

    said: Said
    path: str
    variables: tuple[str | None, ...]


@dataclass
class Trace:
    """Hold a traced pass. `scopes` are the paths of modules by the number that stands in the names of their calls, each with
    whether it is a layer; `arrays` the floating arrays of the network by name, in the order of the jaxpr's first inputs.
    """

    jaxpr: Any
    arrays: dict[str, Any]
    trainable: frozenset[str]
    inputs: tuple[str, ...]
    keys: list[str | None]
    marks: list[Mark]
    scopes: list[tuple[str, bool]]
    classes: dict[str, str] = field(default_factory=dict)


class Split:
    """Be a network taken apart into its arrays, by name, and what puts it together again around others."""

    def __init__(self, net: nnx.Module) -> None:
        self.net = net
        self.graphdef, state = nnx.split(net)
        self.leaves = list(nnx.to_flat_state(state))
        self.sequences = {path for path, module in nnx.iter_modules(net) if isinstance(module, nnx.Sequential)}
        self.names = [self.name(path) for path, _ in self.leaves]

    def name(self, path: tuple[Any, ...]) -> str:
        """Return a dotted path; an entry of nnx.Sequential has its place for a name."""
        parts = [str(part) for i, part in enumerate(path) if not (part == "layers" and path[:i] in self.sequences)]
        return ".".join(parts)

    @property
    def arrays(self) -> dict[str, Any]:
        """Return the floating arrays by name."""
        found = {name: _array(leaf) for name, (_, leaf) in zip(self.names, self.leaves, strict=True)}
        return {name: array for name, array in found.items() if jnp.issubdtype(array.dtype, jnp.floating)}

    @property
    def trainable(self) -> frozenset[str]:
        """Return the names of what an optimizer moves."""
        return frozenset(name for name, (_, leaf) in zip(self.names, self.leaves, strict=True) if isinstance(leaf, nnx.Param))

    def merged(self, arrays: Mapping[str, Any], *, training: bool) -> Any:
        """Return a network with other arrays, in a mode."""
        flat = [
            (path, _replaced(leaf, arrays[name]) if name in arrays else _replaced(leaf, _array(leaf)))
            for name, (path, leaf) in zip(self.names, self.leaves, strict=True)
        ]
        net = nnx.merge(self.graphdef, nnx.from_flat_state(flat))
        for _, module in nnx.iter_modules(net):
            _check_precision(type(module).__name__, module)
        (net.train if training else net.eval)()
        return net


def _array(leaf: Any) -> Any:
    return leaf[...] if isinstance(leaf, nnx.Variable) else leaf


def _replaced(leaf: Any, array: Any) -> Any:
    return leaf.replace(array) if isinstance(leaf, nnx.Variable) else array


def _check_precision(name: str, module: Any) -> None:
    """Let a layer compute in the type of its input, unless it computes in a narrow one."""
    given = getattr(module, "dtype", None)
    if given is None or not hasattr(module, "param_dtype"):
        return
    if jnp.dtype(given).itemsize < 4:
        raise PortError(
            f"A layer {name} computes in {jnp.dtype(given).name}, whose roundings are no part of a description. Leave dtype out to port "
            "what it computes in float32."
        )
    module.dtype = None


class _Tracer:
    def __init__(self, split: Split, training: bool, unbiased: frozenset[str]) -> None:
        self.split, self.training, self.unbiased = split, training, unbiased
        self.marks: list[Mark] = []
        self.scopes: list[tuple[str, bool]] = []
        self.stack: list[Any] = []
        self.paths: dict[int, str] = {}
        self.variables: dict[int, str] = {}
        self.keys: list[str | None] = []

    def __call__(self, arrays: Mapping[str, Any], *inputs: Any) -> list[Any]:
        net = self.split.merged(arrays, training=self.training)
        self.paths = {id(module): self.split.name(path) for path, module in nnx.iter_modules(net)}
        self.variables = {id(item): self.split.name(path) for path, item in nnx.iter_graph(net) if isinstance(item, nnx.Variable)}
        self._wrap_functions(net)
        with self._hooked(net):
            result = net(*inputs)
        self.keys, values = outputs_of(result)
        return values

    def _wrap_functions(self, net: Any) -> None:
        """Let attributes that are functions be known by their names when they are called."""
        for _, module in list(nnx.iter_modules(net)):
            if isinstance(module, (*LAYERS, nnx.BatchNorm, nnx.Dropout)):
                continue
            for name, value in list(vars(module).items()):
                if callable(value) and not name.startswith("_") and not isinstance(value, (nnx.Pytree, nnx.Variable, type)):
                    path = ".".join(filter(None, [self.paths[id(module)], name]))
                    setattr(module, name, self._wrapped(value, path))

    def _wrapped(self, function: Callable[..., Any], path: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._scope(path, own=True):
                if function in (nnx.identity, jax.nn.identity):
                    return self._bracketed(Said("identity"), path, args[0], lambda x: x)
                return function(*args, **kwargs)

        return call

    @contextlib.contextmanager
    def _scope(self, path: str, *, own: bool) -> Iterator[None]:
        self.scopes.append((path, own))
        with jax.named_scope(f"{SCOPE}{len(self.scopes) - 1}"):
            yield

    @contextlib.contextmanager
    def _hooked(self, net: Any) -> Iterator[None]:
        """Let every call of a module be seen while a copy is run."""
        classes = {cls for _, module in nnx.iter_modules(net) for cls in type(module).__mro__ if "__call__" in vars(cls)}
        kept = {cls: vars(cls)["__call__"] for cls in classes if issubclass(cls, nnx.Module)}
        try:
            for cls, original in kept.items():
                cls.__call__ = self._hook(cls, original)  # type: ignore[method-assign, misc]
            yield
        finally:
            for cls, original in kept.items():
                cls.__call__ = original  # type: ignore[method-assign, misc]

    def _hook(self, cls: type, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            path = self.paths.get(id(module))
            if path is None:
                return original(module, *args, **kwargs)
            said = self._said(cls, module, path, args, kwargs)
            if said is not None:
                with self._scope(path, own=True):
                    return self._bracketed(
                        said, path, args[0] if args else next(iter(kwargs.values())), self._body(module, original, args, kwargs)
                    )
            if self.stack and self.stack[-1] is module:
                return original(module, *args, **kwargs)
            self.stack.append(module)
            try:
                with self._scope(path, own=False):
                    return original(module, *args, **kwargs)
            finally:
                self.stack.pop()

        return call

    def _body(self, module: Any, original: Callable[..., Any], args: Any, kwargs: Any) -> Callable[[Any], Any]:
        if args:
            return lambda x: original(module, x, *args[1:], **kwargs)
        name = next(iter(kwargs))
        return lambda x: original(module, **{**kwargs, name: x})

    def _said(self, cls: type, module: Any, path: str, args: Any, kwargs: Any) -> Said | None:
        x = args[0] if args else next(iter(kwargs.values()), None)
        if cls in LAYERS:
            return LAYERS[cls](path, module, x)
        if cls is nnx.BatchNorm:
            given = kwargs.get("use_running_average", args[1] if len(args) > 1 else None)
            if kwargs.get("mask") is not None:
                raise PortError(f"{path} (BatchNorm) leaves out what a mask says. Let every value count.")
            return batch_norm(path, module, x, given, training=self.training, unbiased=path in self.unbiased)
        if cls is nnx.Dropout:
            return dropout(path, module, kwargs.get("deterministic"), training=self.training)
        return None

    def _bracketed(self, said: Said, path: str, x: Any, body: Callable[[Any], Any]) -> Any:
        names = tuple(None if variable is None else self.variables[id(variable)] for variable in said.variables)
        self.marks.append(Mark(said, path, names))
        mark = len(self.marks) - 1
        y = BEGIN.bind(x, mark=mark)
        return END.bind(body(y) if said.run else y, mark=mark)


def outputs_of(result: Any) -> tuple[list[str | None], list[Any]]:
    """Return the keys and the values of what a network returns."""
    if isinstance(result, dict):
        return [str(key) for key in result], list(result.values())
    leaves = jax.tree.leaves(result)
    return [None] * len(leaves), leaves


def traced(net: nnx.Module, shapes: tuple[tuple[int, ...], ...], *, training: bool, unbiased: frozenset[str]) -> Trace:
    """Return one pass of a copy of a module in float64, whose numbers are those of the code; the module is left as it is."""
    with jax.enable_x64(True):
        split = Split(net)
        arrays = split.arrays
        wide = {name: jax.ShapeDtypeStruct(array.shape, jnp.float64) for name, array in arrays.items()}
        tracer = _Tracer(split, training, unbiased)
        jaxpr = jax.make_jaxpr(tracer)(wide, *(jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes))
        classes = {
            split.name(path): type(module).__name__ for path, module in nnx.iter_modules(net) if type(module) not in (nnx.List, nnx.Dict)
        }
    # The tree of a dict has its leaves in the order of its keys.
    named = {name: arrays[name] for name in sorted(arrays)}
    return Trace(jaxpr, named, split.trainable, _input_names(net, len(shapes)), tracer.keys, tracer.marks, tracer.scopes, classes)


def _input_names(net: nnx.Module, count: int) -> tuple[str, ...]:
    if count == 1:
        return ("input",)
    parameters = list(inspect.signature(type(net).__call__).parameters)[1:]
    return tuple(parameters[:count]) if len(parameters) >= count else tuple(f"input{i}" for i in range(1, count + 1))
