"""Recipes: how a network is trained, described once, as neutrally as the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import InitVar
from pathlib import Path
from typing import Any

from unicnn.errors import DescriptionError, UnknownNameError, closest
from unicnn.files import document_text, read_document, write_document
from unicnn.initializers import PRESETS as INITIALIZERS
from unicnn.initializers import Constant, Initializer, Normal, Scaled, Uniform
from unicnn.ops.fields import choice, field, integer, is_sequence, number, optional
from unicnn.ops.loss import LOSSES, Loss
from unicnn.training.clipping import CLIPS, Clip
from unicnn.training.data import Data
from unicnn.training.metrics import METRICS
from unicnn.training.optimizers import OPTIMIZERS, Optimizer
from unicnn.training.schedules import SCHEDULES, Schedule
from unicnn.training.settings import Setting, build, check_preset, plain, read, setting

RULES: dict[str, type[Any]] = {cls.__name__: cls for cls in (Constant, Uniform, Normal, Scaled)}
"""The initialisers that a recipe may name."""
ROLES = ("weight", "bias", "scale", "shift", "mean", "var")


def _keep(value: Any) -> Any:
    """Accept what `__post_init__` reads."""
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a non-empty string")
    return value


def _divisor(value: Any) -> str | float:
    if isinstance(value, str):
        return choice("actual", "nominal")(value)  # type: ignore[no-any-return]
    try:
        return number(low=1e-30)(value)  # type: ignore[no-any-return]
    except ValueError:
        raise ValueError('must be "actual", "nominal" or a positive number') from None


def _metrics(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not is_sequence(names):
        raise ValueError("must be names of metrics")
    return tuple(choice(*METRICS)(name) for name in names)


@setting()
class Recipe(Setting):
    """Say how a network is trained; whatever is left open is filled from `preset`, and the recipe then says it.

    data: "fashion-mnist", a Data, or None if arrays are passed to `train`. loss: a name or a Loss; its reduction says what is reported.
    optimizer: an Optimizer. batch_size: samples a step. epochs or steps: how long. schedule: what multiplies the learning rate. order:
    "shuffle" (a new permutation each epoch), "sequential", or "sample" (drawn with replacement). last: a short last batch is kept,
    dropped, or padded from the epoch's beginning. divisor: what the summed gradient of a batch is divided by: its "actual" size, the
    "nominal" batch size, or a number. clip: a limit on gradients. metrics: "accuracy", "top_5"; averaging: an epoch's loss and metrics are
    means over "samples", or over "batches" whatever their size. init: initialisers by role, or a preset of them. model: a network's name
    or file, for the command line. preset: "torch" (the default), "keras" or "gluon".
    """

    data: Data | None = field(optional(_keep), default=None)
    loss: Any = field(_keep, default="cross_entropy")
    optimizer: Any = field(_keep, default=None)
    batch_size: int | None = field(integer(1), default=None)
    epochs: int | None = field(optional(integer(0)), default=None)
    steps: int | None = field(optional(integer(0)), default=None)
    schedule: Any = field(_keep, default="ConstantRate")
    order: str = field(choice("shuffle", "sequential", "sample"), default="shuffle")
    last: str = field(choice("keep", "drop", "pad"), default="keep")
    divisor: Any = field(_divisor, default=None)
    clip: Any = field(optional(_keep), default=None)
    metrics: tuple[str, ...] | None = field(_metrics, default=None)
    averaging: str | None = field(choice("samples", "batches"), default=None)
    test_batch_size: int | None = field(integer(1), default=None)
    init: Any = field(_keep, default=None)
    model: str | None = field(optional(_string), default=None)
    name: str = field(_string, default="recipe")
    preset: InitVar[str] = "torch"

    def __post_init__(self, preset: str) -> None:  # type: ignore[override]
        super().__post_init__()
        check_preset(preset)
        if self.optimizer is None or self.batch_size is None:
            raise DescriptionError("Recipe: needs an optimizer and a batch_size, such as optimizer=SGD(0.1), batch_size=128.")
        if (self.epochs is None) == (self.steps is None):
            raise DescriptionError("Recipe: needs either epochs or steps, to say how long to train.")
        loss = _loss(self.loss)
        labels = loss.target((1,))[0] == "labels"
        optimizer: Optimizer = read(self.optimizer, OPTIMIZERS, "optimizer").filled(preset)
        schedule: Schedule = read(self.schedule, SCHEDULES, "schedule").filled(preset)
        clip: Clip | None = None if self.clip is None else read(self.clip, CLIPS, "clip").filled(preset)
        summed = getattr(loss, "reduction", "mean") == "sum" and preset != "gluon"
        self._set(
            data=_data(self.data),
            loss=loss,
            optimizer=optimizer,
            schedule=schedule,
            clip=clip,
            divisor=self.divisor or (1.0 if summed else {"gluon": "nominal"}.get(preset, "actual")),
            metrics=(("accuracy",) if labels else ()) if self.metrics is None else self.metrics,
            averaging=self.averaging or {"gluon": "batches"}.get(preset, "samples"),
            test_batch_size=self.test_batch_size or self.batch_size,
            init=_rules(preset if self.init is None else self.init),
        )
        if self.metrics and not labels:
            raise DescriptionError(
                f"Recipe: {self.metrics[0]} needs class labels, which {type(loss).__name__} does not take. Use metrics=()."
            )

    def _set(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def scale(self, samples: int) -> float:
        """Return what the gradient of the reported loss of a batch of `samples` is multiplied by, to be the summed one over the divisor."""
        divisor = {"actual": samples, "nominal": self.batch_size}.get(self.divisor, self.divisor)
        return (samples if self.loss.reduction == "mean" else 1) / float(divisor)

    @property
    def scaled(self) -> bool:
        """Tell whether `scale` may be other than 1."""
        return self.divisor != ("actual" if self.loss.reduction == "mean" else 1.0)

    def rate(self, update: int, epoch: int) -> float:
        """Return the learning rate of an update, counted from 0, in an epoch, counted from 0."""
        return float(self.optimizer.learning_rate * self.schedule.at(update, epoch))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe in full as plain tables, lists, strings and numbers."""
        document = {key: plain(value) for key, value in self.fields().items() if value is not None and key not in ("loss", "init")}
        document["loss"] = {"name": type(self.loss).__name__} | self.loss.fields()
        document["init"] = {
            role: {"name": type(rule).__name__} | {key: value for key, value in dataclasses.asdict(rule).items() if value != float("inf")}
            for role, rule in self.init.items()
        }
        scalars = [key for key, value in document.items() if not isinstance(value, dict)]
        return {key: document[key] for key in (*scalars, *(key for key in document if key not in scalars))}

    def dumps(self, format: str = "toml") -> str:
        """Return the recipe in full as TOML or JSON text."""
        return document_text(self.to_dict(), format)

    def replace(self, **changes: Any) -> Recipe:
        """Return the recipe with some fields changed, everything else as it says."""
        length = {"epochs": {"steps": None}, "steps": {"epochs": None}}
        for key in changes.keys() & length.keys():
            changes = length[key] | changes
        return Recipe(**{**self.fields(), **changes})


def _loss(value: Any) -> Loss:
    if isinstance(value, Loss):
        return value
    known: dict[str, Any] = {**LOSSES}
    names = {**known, **{cls.__name__: cls for cls in known.values()}}
    table = {"name": value} if isinstance(value, str) else value
    name = table.get("name") if isinstance(table, Mapping) else table
    if not isinstance(name, str) or name not in names:
        raise DescriptionError(f"loss: there is no loss called {name!r}.{closest(str(name), LOSSES)}")
    return build(names[name], {key: item for key, item in table.items() if key != "name"}, "loss")


def _data(value: Any) -> Data | None:
    if value is None or isinstance(value, Data):
        return value
    if isinstance(value, str):
        return Data(value)
    if not isinstance(value, Mapping):
        raise DescriptionError(f'data: must be a name such as "fashion-mnist" or a table with a name, not {value!r}.')
    return build(Data, value, "data")


def _rules(value: Any) -> dict[str, Initializer]:
    if isinstance(value, str):
        if value not in INITIALIZERS:
            raise DescriptionError(f"init: there is no preset of initialisers called {value!r}.{closest(value, INITIALIZERS)}")
        return dict(INITIALIZERS[value])
    if not isinstance(value, Mapping):
        raise DescriptionError(f'init: must be "torch", "keras", "gluon" or a table of initialisers by role, not {value!r}.')
    if unknown := [role for role in value if role not in ROLES]:
        raise DescriptionError(f"init: no parameter is called {unknown[0]!r}.{closest(unknown[0], ROLES)}")
    return {role: _rule(rule, f"init.{role}") for role, rule in value.items()}


def _rule(value: Any, where: str) -> Any:
    if hasattr(value, "draw"):
        return value
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name not in RULES:
        raise DescriptionError(f"{where}: there is no initialiser called {name!r}.{closest(str(name), RULES)}")
    table = {"name": value} if isinstance(value, str) else value
    fields = {key: item for key, item in table.items() if key != "name"}
    try:
        rule = build(RULES[name], fields, where)
    except UnknownNameError as error:
        raise DescriptionError(f"{where}: {error}") from None
    for key in fields.keys() - {"fan", "distribution"}:
        try:
            number()(fields[key])
        except ValueError as error:
            raise DescriptionError(f"{where}.{key}: {error}, not {fields[key]!r}.") from None
    return rule


def from_dict(document: Mapping[str, Any], *, where: str = "recipe", name: str = "recipe") -> Recipe:
    """Return the recipe that plain tables describe; `where` begins every error."""
    names = [item.name for item in dataclasses.fields(Recipe)] + ["preset"]
    if unknown := sorted(set(document) - set(names)):
        raise DescriptionError(f"{where}: unknown key {unknown[0]!r}.{closest(unknown[0], names)}")
    try:
        return Recipe(**{"name": name, **document})
    except (DescriptionError, UnknownNameError) as error:
        raise DescriptionError(f"{where}: {error}") from None


def load_recipe(path: str | Path) -> Recipe:
    """Return the recipe that a .toml or .json file describes; a DescriptionError says where in the file it is wrong."""
    path = Path(path)
    return from_dict(read_document(path), where=path.name, name=path.stem)


def save_recipe(recipe: Recipe, path: str | Path) -> None:
    """Write a recipe, in full, to a .toml or .json file, from which `load_recipe` returns an equal one."""
    path = Path(path)
    write_document(recipe.to_dict(), path, "json" if path.suffix == ".json" else "toml")
