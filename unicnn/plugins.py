"""Finding plugins: one entry point at a time, so that a broken one is a row in a report and never a crash."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
from dataclasses import dataclass
from functools import cache, lru_cache

import pluggy

from unicnn import hookspecs
from unicnn.backend import Backend, BackendInfo, load_backend
from unicnn.errors import BackendError, UnknownNameError, closest
from unicnn.porting.dialect import DialectInfo

ORDER = {name: place for place, name in enumerate(("numpy", "torch", "tensorflow", "mxnet"))}


@dataclass(frozen=True)
class Found:
    """Report one plugin: its descriptor if it could be loaded, and what keeps it from being used if anything does."""

    name: str
    distribution: str
    info: BackendInfo | None
    problem: str | None = None
    repair: str | None = None

    dialect: DialectInfo | None = None
    """The dialect that the same plugin brings, if any; a plugin may bring only that."""

    @property
    def usable(self) -> bool:
        """Tell whether the backend can be tried."""
        return self.problem is None


def _plugins() -> tuple[Found, ...]:
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    points = {(point.name, point.value): point for point in importlib.metadata.entry_points(group=hookspecs.GROUP)}
    return tuple(_load(manager, point) for point in points.values())


@lru_cache(maxsize=1)
def discover() -> tuple[Found, ...]:
    """Return every plugin of the group `unicnn` that brings a backend, usable or not, sorted by name with the built-in ones first."""
    found = [item for item in _plugins() if item.info is not None or item.problem is not None]
    return tuple(sorted(_without_twins(found), key=lambda item: (ORDER.get(item.name, len(ORDER)), item.name)))


@lru_cache(maxsize=1)
def dialects() -> dict[str, DialectInfo]:
    """Return every dialect that a plugin brings, by name, in the order of the backends; raise BackendError if two have one name."""
    found = sorted(
        (item for item in _plugins() if item.dialect is not None), key=lambda item: (ORDER.get(item.name, len(ORDER)), item.name)
    )
    result: dict[str, DialectInfo] = {}
    for item in found:
        assert item.dialect is not None
        if item.dialect.name in result:
            raise BackendError(
                f"Two plugins bring a dialect called {item.dialect.name!r}: {result[item.dialect.name].package} and "
                f"{item.dialect.package}. Uninstall one of them."
            )
        result[item.dialect.name] = item.dialect
    return result


def dialect(name: str) -> DialectInfo:
    """Return the dialect called `name`, or that of the backend called so; raise UnknownNameError with the closest one."""
    known = dialects()
    if name in known:
        return known[name]
    for item in known.values():
        if item.backend == name:
            return item
    raise UnknownNameError(f"There is no dialect called {name!r}.{closest(name, known)}")


def _load(manager: pluggy.PluginManager, point: importlib.metadata.EntryPoint) -> Found:
    distribution = point.dist.name if point.dist is not None else point.value
    repair = f"pip install --force-reinstall {distribution}"
    try:
        plugin = point.load()
        manager.register(plugin, name=f"{distribution}:{point.name}")
        others = [other for other in manager.get_plugins() if other is not plugin]
        infos = manager.subset_hook_caller("unicnn_backend", others)()
        spoken = manager.subset_hook_caller("unicnn_dialect", others)()
    except (Exception, SystemExit) as error:  # a stranger's code may fail in any way it likes
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        return Found(point.name, distribution, None, f"fails to load ({detail})", repair)
    dialect = spoken[0] if len(spoken) == 1 and isinstance(spoken[0], DialectInfo) else None
    if dialect is not None and not infos:
        return Found(point.name, distribution, None, dialect=dialect)
    if len(infos) != 1 or not isinstance(infos[0], BackendInfo):
        return Found(point.name, distribution, None, "does not implement unicnn_backend as a function that returns one BackendInfo", repair)
    return dataclasses.replace(_checked(infos[0], distribution), dialect=dialect)


def _checked(info: BackendInfo, distribution: str) -> Found:
    """Return the plugin with what is missing for it to work, as far as can be told without importing the framework."""
    if info.python is not None and sys.version_info[:2] > info.python:
        highest, here = ".".join(map(str, info.python)), ".".join(map(str, sys.version_info[:2]))
        return Found(
            info.name, distribution, info, f"{info.title} does not exist for Python {here}, the last is {highest}", f"use Python {highest}"
        )
    try:
        version = info.version()
    except (ImportError, ValueError):
        version = None
    if version is None:
        return Found(info.name, distribution, info, f"{info.title} is not installed", info.install)
    try:
        info.devices()
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        return Found(info.name, distribution, None, f"cannot list its devices ({detail})", f"pip install --force-reinstall {distribution}")
    return Found(info.name, distribution, info)


def _without_twins(found: list[Found]) -> list[Found]:
    """Return `found` with every two plugins of one name replaced by one row that names both."""
    result = []
    for name in dict.fromkeys(item.name for item in found):
        same = [item for item in found if item.name == name]
        if len(same) > 1:
            owners = " and ".join(sorted(item.distribution for item in same))
            same = [Found(name, owners, None, f"two plugins are called {name!r}: {owners}", f"pip uninstall one of {owners}")]
        result += same
    return result


def usable() -> tuple[str, ...]:
    """Return the names of the backends that can be tried."""
    return tuple(item.name for item in discover() if item.usable)


def info(name: str) -> BackendInfo | None:
    """Return what the backend called `name` says of itself, usable here or not, or None."""
    return next((item.info for item in discover() if item.name == name), None)


def descriptor(name: str) -> Found:
    """Return the plugin called `name`, or raise UnknownNameError or BackendError with what to do."""
    found = {item.name: item for item in discover()}
    if name not in found:
        hint = closest(name, found) or " No backend is installed: pip install unicnn-numpy."
        raise UnknownNameError(f"There is no backend called {name!r}.{hint}")
    item = found[name]
    if item.problem is not None:
        raise BackendError(f"The backend {name!r} cannot be used: {item.problem}. To repair: {item.repair}.")
    return item


@cache
def backend(name: str) -> Backend:
    """Return the backend called `name`, importing its framework now."""
    info = descriptor(name).info
    assert info is not None
    return load_backend(info)
