"""The contract between the core and a backend.

A backend is a package with a descriptor (`BackendInfo`), a `runtime` module that holds a `Runtime`, and one module for each
family of the vocabulary (conv, pool, linear, norm, activation, shape, merge, loss) with one function for each op it has,
of the same name and signature in every backend. Training needs a module `exact`, identical numerics that and four gradients beside the
ops (`conv2d_input_gradient`, `conv2d_weight_gradient`, `linear_weight_gradient`, `max_pool2d_gradient`). A framework without
automatic differentiation adds those of the other contractions and of pooling and a module `primitive`, and leaves the rest
to the core's derivatives. A function that exists is supported; what a framework refuses is
declared beside the function with `refuses` and fails at lowering.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from unicnn.errors import BackendError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np

    from unicnn.plan import Plan

Tensor = Any
Compiled = Callable[[Sequence[Tensor]], Sequence[Tensor]]
F = TypeVar("F", bound=Callable[..., Any])


def cpu_only() -> tuple[str, ...]:
    """Return the devices of a framework that knows no other."""
    return ("cpu",)


@dataclass(frozen=True)
class BackendInfo:
    """Describe a backend without importing its framework.

    `package` is the plugin's own package; `framework` the module that must be importable; `distributions` the names under
    which it may be installed; `install` the command that repairs a missing one. `python` is the highest Python
    version (major, minor) for which the framework exists, or None. `devices` lists what `device=` may be, cheaply.
    """

    name: str
    title: str
    package: str
    framework: str
    distributions: tuple[str, ...]
    install: str
    python: tuple[int, int] | None = None
    devices: Callable[[], tuple[str, ...]] = cpu_only

    def version(self) -> str | None:
        """Return the framework's version, or None if it is not installed; nothing is imported."""
        if importlib.util.find_spec(self.framework) is None:
            return None
        for name in self.distributions:
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return "unknown"


@dataclass(frozen=True)
class Refusal:
    """Declare a combination that a framework cannot do: `when` receives the op's attributes and a Context."""

    reason: str
    when: Callable[[Mapping[str, Any], Context], bool]


@dataclass(frozen=True)
class Context:
    """Say under which circumstances an op is to run."""

    device: str
    dtype: str
    training: bool
    gradients: bool
    input_shapes: tuple[tuple[int, ...], ...] = ()


def refuses(reason: str, when: Callable[[Mapping[str, Any], Context], bool]) -> Callable[[F], F]:
    """Declare, as a decorator on a lowering, a combination that the framework refuses, and why."""

    def declare(function: F) -> F:
        function.refusals = (*getattr(function, "refusals", ()), Refusal(reason, when))  # type: ignore[attr-defined]
        return function

    return declare


class Runtime(ABC):
    """Own what is the framework's: tensors, devices, compilation and derivatives.

    A value with channels, height and width may lie in another order inside (`enter` and `leave` convert, and are part of
    what is compiled); everything the core sees is NCHW.
    """

    def __init__(self, device: str, dtype: str) -> None:
        self.device = device
        self.dtype = dtype
        self.table = SimpleNamespace()

    @property
    def plain_convolution(self) -> bool:
        """Tell whether float64 convolutions of static plans only multiply and add: no FFT, no Winograd, whatever the shape."""
        return True

    @staticmethod
    def enter(x: Tensor) -> Tensor:
        """Turn a canonical value into the order in which the lowerings take it; override both or neither."""
        return x

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        """Turn a value of a lowering into canonical order."""
        return x

    @abstractmethod
    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        """Return a canonical tensor on the device with the array's own dtype and values; the array may be read-only.

        Identical numerics call it, for constants, while a plan is being traced, too.
        """

    @abstractmethod
    def array(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        """Return a canonical tensor as a NumPy array that nothing else will write to."""

    @abstractmethod
    def is_tensor(self, value: object) -> bool:
        """Tell whether `value` is a tensor of this framework (and not a NumPy array, except for NumPy itself)."""

    @abstractmethod
    def dtype_of(self, tensor: Tensor) -> str:
        """Return the dtype of a tensor under NumPy's name, "float32"."""

    def pack(self, kind: str, array: np.ndarray[Any, Any]) -> Tensor:
        """Return a parameter of `kind` in the layout in which the lowerings take it."""
        return self.tensor(array)

    def unpack(self, kind: str, tensor: Tensor) -> np.ndarray[Any, Any]:
        """Return a parameter, or its gradient, in canonical layout."""
        return self.array(tensor)

    def compile(self, plan: Plan) -> Compiled:
        """Return a function of the plan's arguments that returns its results, as fast as the framework can and without gradients."""
        return plan

    def once(self, plan: Plan) -> Compiled:
        """Return the same function for a plan that is called once or twice: step by step, unless compiling takes less time."""
        return plan

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]]:
        """Return a function (arguments, cotangents) -> (results, gradients of the arguments `wanted`).

        The cotangents belong to the first results, one each; None stands for 1 and is allowed for a scalar. A framework
        with automatic differentiation uses it; this default walks the plan backwards with the derivatives of the core.
        """
        from unicnn.derivatives import reverse

        return reverse(plan, wanted, self.table)

    def step(self, plan: Plan, wanted: Sequence[int], update: Plan) -> Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]]:
        """Return a training step: a function (arguments, cotangents, rest) -> (results, moved).

        `update` takes the arguments `wanted` of `plan`, their gradients, then the `rest`, and returns what moved. This default derives,
        then updates; a framework that compiles can do both at once.
        """
        derive, move = self.vjp(plan, wanted), self.compile(update)

        def run(
            arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None], rest: Sequence[Tensor]
        ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            results, gradients = derive(arguments, cotangents)
            return results, move([*(arguments[place] for place in wanted), *gradients, *rest])

        return run

    def synchronize(self) -> None:  # noqa: B027 - there is nothing to wait for unless a framework says so
        """Wait until everything asked for has been computed; raise what went wrong."""


@dataclass(frozen=True)
class Backend:
    """Be a loaded backend: its descriptor and its functions."""

    info: BackendInfo
    modules: Mapping[str, ModuleType] = field(repr=False)
    runtime: type[Runtime] = field(repr=False)

    def function(self, family: str, name: str) -> Callable[..., Any] | None:
        """Return the lowering called `name` in the file `family`, or None."""
        return getattr(self.modules.get(family), name, None)

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return every public function of the family modules by name: the lowerings and the gradients of contractions."""
        return {
            name: value
            for module in self.modules.values()
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        }

    def start(self, device: str, dtype: str) -> Runtime:
        """Return a runtime for values of `dtype` on `device`."""
        runtime = self.runtime(device, dtype)
        runtime.table = SimpleNamespace(**self.table())
        return runtime

    def lowering(self, family: str, name: str, attributes: Mapping[str, Any], context: Context, path: str) -> Callable[..., Any]:
        """Return the lowering of one layer, or raise UnsupportedError naming the layer and the reason."""
        function = self.function(family, name)
        reason = f"it has no {name}" if function is None else refusal(function, attributes, context)
        if reason is not None:
            raise UnsupportedError(f"{path} cannot run on {self.info.name}: {reason}.")
        assert function is not None
        return function


def refusal(function: Callable[..., Any], attributes: Mapping[str, Any], context: Context) -> str | None:
    """Return the declared reason why a lowering cannot do what is asked, or None."""
    declared: tuple[Refusal, ...] = getattr(function, "refusals", ())
    return next((item.reason for item in declared if item.when(attributes, context)), None)


FAMILIES = ("conv", "pool", "linear", "norm", "activation", "shape", "merge", "loss")


def load_backend(info: BackendInfo) -> Backend:
    """Import a backend's body, or raise BackendError with the reason and the command that repairs it."""
    try:
        runtime = importlib.import_module(f"{info.package}.runtime")
        families = [*FAMILIES, *(name for name in ("primitive",) if importlib.util.find_spec(f"{info.package}.{name}"))]
        modules = {family: importlib.import_module(f"{info.package}.{family}") for family in families}
    except Exception as error:  # a framework may fail to import in any way it likes
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BackendError(
            f"The backend {info.name!r} is installed but fails to import ({detail}). Repair it with: {info.install}"
        ) from error
    return Backend(info, modules, runtime.Runtime)
