"""What a user names on the command line to be ported: a description, a file that is data, or an object in a Python file."""

from __future__ import annotations

import contextlib
import inspect
import re
import runpy
import sys
from pathlib import Path
from typing import Any

from unicnn import plugins, sources
from unicnn.errors import PortError, UnicnnError, closest
from unicnn.model import Model
from unicnn.porting.dialect import DialectInfo
from unicnn.porting.imported import Imported
from unicnn.porting.reading import dialect_of, from_framework, read_file


def find_network(
    text: str, input: Any = None, *, params: Path | None = None, training: bool = True, dialect: str | None = None
) -> Model | Imported:
    """Return the network that `text` names: "lenet", "net.toml", "net.py:net", "model.onnx" or "model-symbol.json".

    A Python file is run, because the user names it; the name in it may be a network, a class or a function that makes one without
    arguments, or a function of tensors. `input` is the shape, batch axis included, that a network of a framework takes;
    it may be left out where the network says so itself.
    """
    if is_data(text):
        return read_file(Path(text), input, params=params, training=training)
    if not sources.is_python(text):
        return sources.find_model(text)
    value = from_python(text)
    if isinstance(value, Model):
        return value
    return read_object(text, value, input, params=params, training=training, dialect=dialect)


def is_data(text: str) -> bool:
    """Tell whether `text` names a file that some dialect reads, such as model.onnx."""
    return text.endswith(tuple(suffix for info in plugins.dialects().values() for suffix in info.suffixes))


def read_object(
    text: str, value: Any, input: Any = None, *, params: Path | None = None, training: bool = True, dialect: str | None = None
) -> Imported:
    """Return the network that a framework's object is, which `text` named in a Python file."""
    info = plugins.dialect(dialect) if dialect is not None else dialect_of(value)
    if params is not None:
        loader = getattr(info.importer(), "load_parameters", None)
        if loader is None:
            raise PortError(f"{params}: {info.title} reads no weights for a network from Python. Load them in {Path(text).name} itself.")
        value = loader(value, params)
    return from_framework(value, input, training=training, name=_name(text, value, info), dialect=info.name)


def _name(text: str, value: Any, info: DialectInfo) -> str | None:
    """Return what a network is called: by its class if that is the user's own, else by its name in the file."""
    module = type(value).__module__.partition(".")[0]
    return text.rpartition(":")[2].lower() if module in (*info.objects, "builtins") else None


def parse_shapes(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the shapes in "1,1,28,28", or in "1,3,8,8;1,3,8,8" for several inputs; raise PortError for anything else."""
    try:
        shapes = tuple(tuple(int(size) for size in part.split(",")) for part in text.split(";"))
    except ValueError:
        shapes = ((),)
    if not all(shape and min(shape) > 0 for shape in shapes):
        raise PortError(
            f"--input {text!r}: is no shape. Write sizes with commas, batch axis in front, such as 1,1,28,28; several inputs with ';'."
        )
    return shapes


def from_python(text: str) -> Any:
    """Return what `text` names in a Python file, which is run; where that is a class or a function that makes a network, the network."""
    path, _, name = text.rpartition(":")
    if not path.endswith(".py") or not name:
        raise PortError(f"{text}: say which name in the file is meant, as in {text.removesuffix(':')}:net.")
    if not Path(path).is_file():
        raise PortError(f"{path}: there is no such file. Check the path.")
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        _prepare(Path(path).read_text(encoding="utf-8", errors="replace"))
        found = runpy.run_path(path)
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise PortError(f"{path}: running it failed ({detail}). Run it by itself to see where.") from error
    finally:
        sys.path.pop(0)
    if name not in found:
        raise PortError(f"{path}: has no {name!r}.{closest(name, [key for key in found if not key.startswith('_')])}")
    return _made(text, found[name])


def _prepare(source: str) -> None:
    """Import the importers of the frameworks that a file imports: they know how theirs is imported beside this NumPy."""
    for info in plugins.dialects().values():
        if info.installed and re.search(rf"^\s*(import|from) {re.escape(info.framework)}\b", source, re.MULTILINE):
            with contextlib.suppress(UnicnnError):
                info.importer()


def _made(text: str, value: Any) -> Any:
    """Return the network itself where `value` is a class or a function that makes it."""
    if isinstance(value, Model) or not callable(value) or (not inspect.isclass(value) and _is_network(value)):
        return value
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return value
    needed = [
        parameter.name
        for parameter in _parameters(value)
        if parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise PortError(
            f"{text}: making it needs the argument{'s' * (len(needed) > 1)} {', '.join(needed)}. Name a network, or something that makes "
            "one without arguments; write such a function into the file."
        )
    try:
        return value()
    except UnicnnError:
        raise
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise PortError(f"{text}: calling it without arguments failed ({detail}). Run it by itself to see where.") from error


def _parameters(value: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return []


def _is_network(value: Any) -> bool:
    """Tell whether a framework takes `value` as it is; a function that needs no argument makes a network instead."""
    if inspect.isroutine(value) and not any(parameter.default is parameter.empty for parameter in _parameters(value)):
        return False
    try:
        dialect_of(value)
    except UnicnnError:
        return False
    return True
