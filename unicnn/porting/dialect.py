"""What a plugin brings for porting: a dialect, the way in which one framework's networks are written."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from unicnn.errors import BackendError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from unicnn.graph import Graph
    from unicnn.porting.tape import Recording
    from unicnn.training.recipe import Recipe


@dataclass(frozen=True)
class DialectInfo:
    """Describe a dialect without importing its framework.

    `name` is what `emit` calls it ("keras"), `framework` the module that must be importable to run what it writes. `package` is the
    plugin's own package; it has a module `emitter` if the dialect can be written and a module `importer` if it can be read.
    `backend` names the backend that computes with the same framework, if there is one. `objects` lists the modules whose classes
    the importer takes, and `suffixes` the ends of the names of files that it reads. The first of `styles` is the default.
    """

    name: str
    title: str
    package: str
    framework: str
    install: str
    backend: str | None = None
    objects: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    channels_last: bool = False
    """Whether the dialect writes images as (N, H, W, C)."""
    inexact: Mapping[str, str] = field(default_factory=dict)
    """Ops, by the names of their lowerings, that the framework computes no more exactly than float32 in float64 too, and why: a proof allows for them."""

    @property
    def installed(self) -> bool:
        """Tell whether the framework can be imported; nothing is imported to know it."""
        return importlib.util.find_spec(self.framework.partition(".")[0]) is not None

    def emitter(self) -> Emitter:
        """Return the module that writes the dialect; it imports no framework."""
        return self._module("emitter", "written")  # type: ignore[return-value]

    def importer(self) -> Importer:
        """Return the module that reads the dialect, importing its framework now."""
        if not self.installed:
            raise BackendError(f"{self.title} is not installed, so nothing written in it can be read. Install it with: {self.install}")
        return self._module("importer", "read")  # type: ignore[return-value]

    def _module(self, name: str, verb: str) -> ModuleType:
        full = f"{self.package}.{name}"
        try:
            known = importlib.util.find_spec(full) is not None
        except ModuleNotFoundError:
            known = False
        if not known:
            raise UnsupportedError(f"{self.title} cannot be {verb}: the plugin {self.package} has no {name}. Choose another dialect.")
        return importlib.import_module(full)


class Emitter(Protocol):
    """Be the module `emitter` of a dialect."""

    def write(self, graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
        """Return one self-contained source file of the network; ruff formats it afterwards.

        It defines, under the name that `entry` returns, a callable without arguments that makes the network, and
        ``load_weights(net, path)``, which fills it from a safetensors file with neutral names and layouts. With a recipe it also
        defines ``initialize(net)`` and ``train(net, batches, epochs)``; ``batches(epoch)`` yields pairs of NumPy arrays in the
        framework's layout, and the losses of all steps are returned.
        """

    def entry(self, name: str) -> str:
        """Return the name of the callable that makes a network called `name`: "LeNet" of "lenet"."""

    def training(self, recipe: Recipe) -> str:
        """Return the source of ``train`` alone, with its imports; raise UnsupportedError for what the framework cannot do by itself."""


class Importer(Protocol):
    """Be the module `importer` of a dialect.

    It may also have ``shapes(value)``, which returns the shapes of the inputs that a network says it takes, as `record` is given
    them and with a batch axis of 1 where any size will do, or None if the network does not say; without it nobody knows.
    """

    def accepts(self, value: object) -> bool:
        """Tell whether `value` is a network of this framework."""

    def record(self, value: Any, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
        """Return the tape of one pass of a network over inputs of these shapes (batch axis included, the framework's own layout)."""

    def read(self, path: Path, **options: Any) -> Any:
        """Return the network in a file that is data: parsed, never evaluated or unpickled."""
