"""What the parts of a recipe have in common: named fields, checked when written, filled from a preset, kept in full."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from unicnn.errors import DescriptionError, UnknownNameError, closest
from unicnn.ops.fields import field

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: D103 - Python has it from 3.11 on
        return lambda decorator: decorator


PRESETS = ("torch", "keras", "gluon")
"""The frameworks whose documented defaults a recipe may take over."""

AnySetting = TypeVar("AnySetting", bound="Setting")


class Setting:
    """Be an immutable part of a recipe; a field of None is left to the recipe's preset."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What each preset fills in, by field."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if value is None and item.default is None:
                continue
            try:
                object.__setattr__(self, item.name, item.metadata["check"](value))
            except ValueError as error:
                raise DescriptionError(f"{type(self).__name__}: {item.name} {error}, not {value!r}.") from None

    def filled(self: AnySetting, preset: str) -> AnySetting:
        """Return the setting with what is left open filled from `preset`; raise DescriptionError for what that has no value for."""
        given = self.fields()
        filling = self.presets.get(preset, {})
        open_fields = [name for name, value in given.items() if value is None and name not in self.optional()]
        if missing := [name for name in open_fields if name not in filling]:
            raise DescriptionError(
                f"{type(self).__name__}: {missing[0]} is left open, and the preset {preset!r} has no value for it. Give {missing[0]} yourself."
            )
        return dataclasses.replace(self, **{name: filling[name] for name in open_fields})  # type: ignore[type-var]

    @classmethod
    def optional(cls) -> frozenset[str]:
        """Return the fields for which None means none, not the preset's value."""
        return frozenset()

    def fields(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the setting as plain tables, lists, strings and numbers: its name, and each field that has a value."""
        return {"name": type(self).__name__} | {key: plain(value) for key, value in self.fields().items() if value is not None}

    def __repr__(self) -> str:
        required = {item.name for item in dataclasses.fields(self) if item.default is dataclasses.MISSING}  # type: ignore[arg-type]
        given = {key: value for key, value in self.fields().items() if value is not None}
        return f"{type(self).__name__}({', '.join(repr(value) if key in required else f'{key}={value!r}' for key, value in given.items())})"


def plain(value: Any) -> Any:
    """Return a field's value as what TOML and JSON know."""
    if isinstance(value, Setting):
        return value.to_dict()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@dataclass_transform(field_specifiers=(field,))
def setting(known: dict[str, type[Any]] | None = None) -> Callable[[type[AnySetting]], type[AnySetting]]:
    """Make an immutable dataclass of a setting, and register it in `known` under its name."""

    def register(cls: type[AnySetting]) -> type[AnySetting]:
        frozen = dataclass(frozen=True, repr=False)(cls)
        if known is not None:
            known[cls.__name__] = frozen
        return frozen

    return register


def read(value: Any, known: Mapping[str, type[Setting]], where: str) -> Any:
    """Return the setting that a table {"name": …, fields…}, or just a name, stands for; a setting is returned as it is."""
    if isinstance(value, tuple(known.values())):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise DescriptionError(f'{where}: must be a table with a name, such as {{name = "{next(iter(known))}"}}, not {value!r}.')
    name = value["name"]
    if name not in known:
        raise DescriptionError(f"{where}: there is no {name!r}.{closest(name, known)}")
    return build(known[name], {key: item for key, item in value.items() if key != "name"}, where)


def build(cls: type[AnySetting], values: Mapping[str, Any], where: str) -> AnySetting:
    """Return `cls` with these fields, or raise DescriptionError saying where one is unknown, missing or wrong."""
    names = [item.name for item in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(names)):
        raise DescriptionError(f"{where}.{unknown[0]}: {cls.__name__} has no such field.{closest(unknown[0], names)}")
    try:
        return cls(**values)
    except DescriptionError as error:
        raise DescriptionError(f"{where}: {error}") from None
    except TypeError:
        missing = [
            item.name
            for item in dataclasses.fields(cls)  # type: ignore[arg-type]
            if item.default is dataclasses.MISSING and item.name not in values
        ]
        raise DescriptionError(f"{where}: {cls.__name__} needs {' and '.join(missing)}.") from None


def check_preset(preset: str) -> str:
    """Return `preset` if there is one of that name, or raise UnknownNameError."""
    if preset not in PRESETS:
        raise UnknownNameError(f"There is no preset called {preset!r}.{closest(str(preset), PRESETS)}")
    return preset
