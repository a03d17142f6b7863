"""The recipes of the tutorials that unicnn was founded on, ready to run, and one to begin with."""

from __future__ import annotations

import sys
from importlib.resources import files

from unicnn.errors import UnknownNameError, closest
from unicnn.training.recipe import Recipe, from_dict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = files("unicnn.training").joinpath("recipes")


def names() -> list[str]:
    """Return the names of all built-in recipes."""
    return sorted(file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml"))


def get(name: str) -> Recipe:
    """Return the recipe called `name`, or raise UnknownNameError with the closest one."""
    key = name.replace("_", "-")
    if key not in names():
        raise UnknownNameError(f"There is no built-in recipe called {name!r}.{closest(key, names())}")
    text = _FOLDER.joinpath(f"{key}.toml").read_text(encoding="utf-8")
    return from_dict(tomllib.loads(text), where=f"{key}.toml", name=key)
