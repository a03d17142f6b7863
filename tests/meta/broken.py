"""How a broken backend is made, and how its name is made to lead to it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from unicnn import plugins
from unicnn.backend import FAMILIES, Backend, BackendInfo, Runtime
from unicnn.conformance.target import Target
from unicnn.numerics.identical import selftest
from unicnn.plan import Plan

from .saboteur import Change, Saboteur

BASE = "numpy"


class _Info(BackendInfo):
    def version(self) -> str:
        return "1"


@contextmanager
def installed(saboteur: Saboteur) -> Iterator[Target]:
    """Give a target on which a saboteur computes: inside, its name is that of a backend."""
    name = f"saboteur-{saboteur.name}"
    backend = broken_backend(saboteur, name)
    found = plugins.Found(name, "tests", backend.info)
    descriptor, loaded = plugins.descriptor, plugins.backend
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(plugins, "descriptor", lambda wanted: found if wanted == name else descriptor(wanted)))
        stack.enter_context(mock.patch.object(plugins, "backend", lambda wanted: backend if wanted == name else loaded(wanted)))
        stack.enter_context(_module(_exact(backend.info.package, saboteur.primitives)))
        for place, change in saboteur.core.items():
            module, _, attribute = place.partition(":")
            home = importlib.import_module(f"unicnn.{module}")
            stack.enter_context(mock.patch.object(home, attribute, change(getattr(home, attribute))))
        yield Target(name)


def broken_backend(saboteur: Saboteur, name: str) -> Backend:
    """Return NumPy's backend with the functions replaced that a saboteur breaks."""
    honest = plugins.backend(BASE)
    package = name.replace("-", "_").replace("^", "_")
    info = _Info(**(vars(honest.info) | {"name": name, "title": name if _adds_up_otherwise(saboteur) else "honest", "package": package}))
    unknown = set(saboteur.breaks) - set(honest.table()) - {"*"}
    assert not unknown, f"{saboteur.name} breaks {unknown}, which the backend does not have"
    modules = {family: _family(family, module, saboteur.breaks) for family, module in honest.modules.items()}
    runtime = _runtime(honest.runtime, saboteur)
    return Backend(info, modules, runtime)


def _adds_up_otherwise(saboteur: Saboteur) -> bool:
    """Tell whether the self-test of identical numerics, whose outcome is remembered by title, has to look again."""
    return bool(saboteur.primitives) or not {"*", *selftest.PRODUCTS, *selftest.CONVOLUTIONS}.isdisjoint(saboteur.breaks)


def _family(family: str, module: ModuleType, breaks: Mapping[str, Change]) -> ModuleType:
    """Return a copy of a family's module with broken functions in it."""
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module))
    for name, value in vars(module).items():
        own = callable(value) and getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        wanted = breaks.get(name) or (breaks.get("*") if family in FAMILIES and not name.endswith("_gradient") else None)
        if own and wanted is not None:
            setattr(copy, name, wanted(value))
            # The table holds the functions that a module says are its own.
            getattr(copy, name).__module__ = module.__name__
    return copy


def _runtime(honest: type[Runtime], saboteur: Saboteur) -> type[Runtime]:
    """Return a runtime with broken methods, whose derivatives come out changed."""
    change = saboteur.gradients or (lambda argument, gradient, samples: gradient)
    change_results = saboteur.beside or (lambda plan, arguments, results: results)

    class Broken(honest):  # type: ignore[valid-type,misc]
        def __init__(self, device: str, dtype: str) -> None:
            super().__init__(device, dtype)
            for name, method in saboteur.runtime.items():
                setattr(self, name, method(getattr(self, name)))

        def vjp(self, plan: Plan, wanted: Sequence[int]) -> Any:
            step = super().vjp(plan, wanted)

            def run(arguments: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
                results, gradients = step(arguments, cotangents)
                samples = len(arguments[0])
                return change_results(plan, arguments, results), [
                    change(plan.arguments[place], gradient, samples) for place, gradient in zip(wanted, gradients, strict=True)
                ]

            return run

    return Broken


def _exact(package: str, primitives: Mapping[str, Change]) -> ModuleType:
    """Return the primitives of identical numerics, some of them broken."""
    honest = importlib.import_module(f"{plugins.backend(BASE).info.package}.exact")
    copy = ModuleType(f"{package}.exact")
    vars(copy).update({name: value for name, value in vars(honest).items() if not name.startswith("__")})
    for name, change in primitives.items():
        setattr(copy, name, change(getattr(honest, name)))
    return copy


@contextmanager
def _module(module: ModuleType) -> Iterator[None]:
    """Let a module be imported by its name."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]
