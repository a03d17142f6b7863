"""Standing between a module and the operating system: what a writer asks of it can be counted, refused, or its last."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

OF_OS = ("makedirs", "listdir", "open", "fsync", "close", "replace", "unlink", "stat")
OF_FILES = ("read", "write", "flush", "close")


class Calls:
    """Run `before(count, name, arguments)` before each call that a module makes, through `os` or on a file it has opened.

    The first argument of a call on a file is the file. The modules of a package count as one.
    """

    def __init__(self, before: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self.before, self.names = before, list[str]()

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, told: tuple[Any, ...] | None = None, **options: Any) -> Any:
        self.names.append(name)
        self.before(len(self.names), name, arguments if told is None else told)
        return function(*arguments, **options)

    def open(self, *arguments: Any) -> File:
        return File(self, self.call("open", open, *arguments))

    @contextlib.contextmanager
    def between(self, module: ModuleType) -> Iterator[Calls]:
        parts = [part for name, part in sys.modules.items() if f"{name}.".startswith(f"{module.__name__}.")]
        using = [part for part in parts if getattr(part, "os", None) is os]
        for part in using:
            part.os, part.open = System(self), self.open  # type: ignore[attr-defined]
        try:
            yield self
        finally:
            for part in using:
                part.os = os  # type: ignore[attr-defined]
                del part.open


class System:
    """Stand for the module os."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in OF_OS:
            return real
        return lambda *arguments, **options: self.calls.call(f"os.{name}", real, *arguments, **options)


class File:
    """Stand for a file; leaving its block closes it."""

    def __init__(self, calls: Calls, real: Any) -> None:
        self.calls, self.real = calls, real

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)
        if name not in OF_FILES:
            return real
        return lambda *arguments: self.calls.call(name, real, *arguments, told=(self.real, *arguments))

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        finally:
            self.real.close()
