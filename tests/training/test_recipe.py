"""Recipes: what is written is read again, presets mean what is documented, and what is wrong is said in one paragraph."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unicnn as un
from unicnn.errors import DescriptionError, UnknownNameError
from unicnn.initializers import PRESETS as INITIALIZERS
from unicnn.training.clipping import CLIPS
from unicnn.training.optimizers import OPTIMIZERS
from unicnn.training.recipe import from_dict
from unicnn.training.schedules import SCHEDULES
from unicnn.training.settings import PRESETS, Setting

FORMATS = ["toml", "json"]

# Random recipes, over every setting

SHARES = st.floats(0, 1)
SIZES = st.floats(1e-30, 1e30)
COUNTS = st.integers(1, 10**9)
UNITS = st.none() | st.sampled_from(["update", "epoch"])
FORMS = st.none() | st.sampled_from(["buffer", "velocity"])
DECAY: dict[str, Any] = {
    "weight_decay": st.floats(0, 10),
    "decay": st.none() | st.sampled_from(["l2", "decoupled"]),
    "decay_applies_to": st.none() | st.sampled_from(["all", "weights"]),
}
RATE = st.floats(0, 10)


def left_open(values: Any) -> Any:
    return st.none() | values


def adams(kind: type[Any]) -> Any:
    placements = left_open(st.sampled_from(["corrected", "uncorrected"]))
    return st.builds(kind, RATE, beta1=SHARES, beta2=SHARES, eps=SIZES, eps_placement=placements, **DECAY)


ROOT: dict[str, Any] = {"eps": left_open(SIZES), "eps_placement": left_open(st.sampled_from(["inside", "outside"])), **DECAY}
DRAWN_OPTIMIZERS = {
    "SGD": st.builds(un.SGD, RATE, momentum=SHARES, nesterov=st.booleans(), form=FORMS, **DECAY),
    "Adam": adams(un.Adam),
    "AdamW": adams(un.AdamW),
    "RMSProp": st.builds(un.RMSProp, RATE, rho=left_open(SHARES), centered=st.booleans(), momentum=left_open(SHARES), form=FORMS, **ROOT),
    "Adagrad": st.builds(un.Adagrad, RATE, initial=left_open(st.floats(0, 10)), **ROOT),
}
BEGINNINGS = left_open(st.integers(0, 3))
SIMPLE = {
    "ConstantRate": st.builds(un.ConstantRate, unit=UNITS),
    "StepDecay": st.builds(un.StepDecay, COUNTS, SHARES, UNITS),
    "MultiStepDecay": st.builds(
        un.MultiStepDecay, st.lists(st.integers(0, 99), max_size=4), SHARES, left_open(st.sampled_from(["earlier", "later"])), UNITS
    ),
    "CosineDecay": st.builds(un.CosineDecay, COUNTS, SHARES, BEGINNINGS, left_open(st.sampled_from(["hold", "return"])), UNITS),
    "PolynomialDecay": st.builds(un.PolynomialDecay, COUNTS, st.integers(1, 9), SHARES, BEGINNINGS, UNITS),
}
DRAWN_SCHEDULES: dict[str, Any] = {
    **SIMPLE,
    "Warmup": st.recursive(
        st.one_of(*SIMPLE.values()), lambda then: st.builds(un.Warmup, COUNTS, SHARES, left_open(then), UNITS), max_leaves=3
    ),
}
DRAWN_CLIPS = {
    "ClipValue": st.builds(un.ClipValue, SIZES),
    "ClipNorm": st.builds(un.ClipNorm, SIZES),
    "ClipGlobalNorm": st.builds(un.ClipGlobalNorm, SIZES, left_open(SHARES)),
}
REDUCTIONS = st.sampled_from(["mean", "sum"])
NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12)
RULES = st.one_of(
    st.builds(un.Constant, st.floats(-9, 9)),
    st.builds(un.Uniform, SHARES),
    st.builds(un.Normal, SHARES),
    st.builds(un.Normal, SHARES, SIZES),
    st.builds(un.Scaled, SIZES, st.sampled_from(["in", "out", "avg"]), st.sampled_from(["uniform", "normal", "truncated"])),
)
INITS = left_open(st.sampled_from(PRESETS) | st.dictionaries(st.sampled_from(["weight", "bias", "scale", "shift", "mean", "var"]), RULES))
DATA = left_open(
    st.builds(
        un.Data, NAMES, st.sampled_from(["auto", "embedded", "full"]), left_open(COUNTS), left_open(st.integers(0, 9)), SIZES,
        st.floats(-9, 9), SIZES, left_open(COUNTS | st.tuples(COUNTS, COUNTS)), st.sampled_from(["bilinear", "nearest"]),
    )
)  # fmt: skip


@st.composite
def recipes(draw: Any) -> un.Recipe:
    labels = draw(st.booleans())
    loss = draw(st.builds(un.CrossEntropy, REDUCTIONS) if labels else st.builds(un.SquaredError, st.floats(-9, 9), REDUCTIONS))
    metrics = left_open(st.lists(st.sampled_from(["accuracy", "top_5"]), unique=True)) if labels else st.sampled_from([None, ()])
    return un.Recipe(
        data=draw(DATA),
        loss=loss,
        optimizer=draw(st.one_of(*DRAWN_OPTIMIZERS.values())),
        batch_size=draw(COUNTS),
        **{draw(st.sampled_from(["epochs", "steps"])): draw(st.integers(0, 10**9))},
        schedule=draw(st.one_of(*DRAWN_SCHEDULES.values())),
        order=draw(st.sampled_from(["shuffle", "sequential", "sample"])),
        last=draw(st.sampled_from(["keep", "drop", "pad"])),
        divisor=draw(left_open(st.sampled_from(["actual", "nominal"]) | SIZES)),
        clip=draw(left_open(st.one_of(*DRAWN_CLIPS.values()))),
        metrics=draw(metrics),
        averaging=draw(left_open(st.sampled_from(["samples", "batches"]))),
        test_batch_size=draw(left_open(COUNTS)),
        init=draw(INITS),
        model=draw(left_open(NAMES)),
        name=draw(NAMES),
        preset=draw(st.sampled_from(PRESETS)),
    )


def test_every_part_of_a_recipe_is_drawn() -> None:
    assert DRAWN_OPTIMIZERS.keys() == OPTIMIZERS.keys()
    assert DRAWN_SCHEDULES.keys() == SCHEDULES.keys()
    assert DRAWN_CLIPS.keys() == CLIPS.keys()


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(recipe=recipes())
def test_a_recipe_comes_back_from_its_file(recipe: un.Recipe, format: str, tmp_path: Path) -> None:
    path = tmp_path / f"some.{format}"
    un.save_recipe(recipe, path)
    again = un.load_recipe(path)
    assert again == recipe
    assert again.to_dict() == recipe.to_dict()
    assert again.dumps(format) == path.read_text(encoding="utf-8")


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(recipe=recipes(), preset=st.sampled_from(PRESETS))
def test_a_recipe_says_all_so_that_no_preset_changes_it(recipe: un.Recipe, preset: str) -> None:
    document = json.loads(recipe.dumps("json"))
    assert from_dict({**document, "preset": preset}) == recipe
    parts = [recipe.optimizer, recipe.schedule, *([recipe.clip] if recipe.clip else [])]
    parts += [part.then for part in parts if isinstance(part, un.Warmup)]
    for part in parts:
        assert None not in part.fields().values()
    optional = {"data", "clip", "model", "epochs", "steps"}
    assert {key for key, value in recipe.fields().items() if value is None} <= optional
    assert {item.name for item in dataclasses.fields(recipe)} - optional <= document.keys()


# Presets

BASE: dict[str, Any] = {"optimizer": {"name": "SGD", "learning_rate": 0.1}, "batch_size": 8, "steps": 1}
L2, DECOUPLED = ({"weight_decay": 0.0, "decay": decay, "decay_applies_to": "all"} for decay in ("l2", "decoupled"))
PLAIN = {"momentum": 0.0, "nesterov": False}
ADAM = {"beta1": 0.9, "beta2": 0.999}
MEANING: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("torch", "SGD", {}, {**PLAIN, "form": "buffer", **L2}),
    ("keras", "SGD", {}, {**PLAIN, "form": "velocity", **DECOUPLED}),
    ("gluon", "SGD", {}, {**PLAIN, "form": "velocity", **L2}),
    ("torch", "Adam", {}, {**ADAM, "eps": 1e-8, "eps_placement": "corrected", **L2}),
    ("keras", "Adam", {}, {**ADAM, "eps": 1e-7, "eps_placement": "uncorrected", **DECOUPLED}),
    ("gluon", "Adam", {}, {**ADAM, "eps": 1e-8, "eps_placement": "uncorrected", **L2}),
    ("torch", "AdamW", {}, {**ADAM, "eps": 1e-8, "eps_placement": "corrected", **DECOUPLED, "weight_decay": 0.01}),
    ("keras", "AdamW", {}, {**ADAM, "eps": 1e-7, "eps_placement": "uncorrected", **DECOUPLED, "weight_decay": 0.004}),
    ("gluon", "AdamW", {"eps": 1e-8, "weight_decay": 0.5}, {**ADAM, "eps": 1e-8, "eps_placement": "uncorrected", **DECOUPLED, "weight_decay": 0.5}),
    ("torch", "RMSProp", {}, {"rho": 0.99, "eps": 1e-8, "eps_placement": "outside", "centered": False, "momentum": 0.0, "form": "buffer", **L2}),
    ("keras", "RMSProp", {}, {"rho": 0.9, "eps": 1e-7, "eps_placement": "inside", "centered": False, "momentum": 0.0, "form": "velocity", **DECOUPLED}),
    ("gluon", "RMSProp", {}, {"rho": 0.9, "eps": 1e-8, "eps_placement": "inside", "centered": False, "momentum": 0.0, "form": "velocity", **L2}),
    ("gluon", "RMSProp", {"centered": True}, {"rho": 0.9, "eps": 1e-8, "eps_placement": "inside", "centered": True, "momentum": 0.9, "form": "velocity", **L2}),
    ("torch", "Adagrad", {}, {"initial": 0.0, "eps": 1e-10, "eps_placement": "outside", **L2}),
    ("keras", "Adagrad", {}, {"initial": 0.1, "eps": 1e-7, "eps_placement": "inside", **DECOUPLED}),
    ("gluon", "Adagrad", {}, {"initial": 0.0, "eps": 1e-7, "eps_placement": "inside", **DECOUPLED}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "name", "given_", "meaning"),
    [pytest.param(*row, id=f"{row[1]} as in {row[0]}{', centred' if 'centered' in row[2] else ''}") for row in MEANING],
)
def test_an_optimizer_left_open_is_the_frameworks_own(preset: str, name: str, given_: dict[str, Any], meaning: dict[str, Any]) -> None:
    recipe = from_dict({**BASE, "optimizer": {"name": name, "learning_rate": 0.1, **given_}, "preset": preset})
    assert recipe.to_dict()["optimizer"] == {"name": name, "learning_rate": 0.1, **meaning}


def test_every_optimizer_has_a_meaning_in_every_preset() -> None:
    assert {(preset, name) for preset, name, _, _ in MEANING} == {(preset, name) for preset in PRESETS for name in OPTIMIZERS}


@pytest.mark.parametrize(
    ("preset", "divisor", "averaging", "unit", "eps"),
    [
        pytest.param("torch", "actual", "samples", "epoch", 1e-6, id="torch"),
        pytest.param("keras", "actual", "samples", "update", 0.0, id="keras"),
        pytest.param("gluon", "nominal", "batches", "update", 1e-8, id="gluon"),
    ],
)
def test_what_else_a_preset_fills_in(preset: str, divisor: str, averaging: str, unit: str, eps: float) -> None:
    recipe = from_dict({**BASE, "clip": {"name": "ClipGlobalNorm", "limit": 1}, "preset": preset})
    assert (recipe.divisor, recipe.averaging, recipe.schedule.unit, recipe.clip.eps) == (divisor, averaging, unit, eps)
    assert recipe.init == INITIALIZERS[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_given_is_not_filled_in(preset: str) -> None:
    optimizer = un.Adam(
        0.5, beta1=0.5, beta2=0.25, eps=2.0, eps_placement="corrected", weight_decay=3.0, decay="l2", decay_applies_to="weights"
    )
    schedule = un.CosineDecay(3, first=2, after="hold", unit="epoch")
    given_ = {
        "divisor": 3.0,
        "averaging": "samples",
        "test_batch_size": 2,
        "metrics": (),
        "init": "keras",
        "clip": un.ClipGlobalNorm(1.0, 0.5),
    }
    recipe = un.Recipe(optimizer=optimizer, batch_size=8, steps=1, schedule=schedule, **given_, preset=preset)
    assert recipe == un.Recipe(optimizer=optimizer, batch_size=8, steps=1, schedule=schedule, **given_)
    assert (recipe.optimizer, recipe.schedule, recipe.clip) == (optimizer, schedule, given_["clip"])


def test_a_name_alone_stands_for_its_defaults() -> None:
    recipe = from_dict(
        {**BASE, "loss": "squared_error", "schedule": "ConstantRate", "data": "fashion-mnist", "init": {"weight": "Constant"}}
    )
    assert recipe.loss == un.SquaredError()
    assert recipe.metrics == ()
    assert recipe.data == un.Data("fashion-mnist")
    assert recipe.init == {"weight": un.Constant(0.0)}
    assert recipe.test_batch_size == 8


# Changing a recipe

WHOLE = un.Recipe(optimizer=un.Adam(0.1), batch_size=8, epochs=2, clip=un.ClipGlobalNorm(1.0), schedule=un.StepDecay(3), preset="keras")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"batch_size": 16}, id="the batch size"),
        pytest.param({"epochs": 5}, id="the epochs"),
        pytest.param({"clip": None}, id="no limit any more"),
        pytest.param({"loss": un.CrossEntropy("sum"), "metrics": ("top_5",)}, id="loss and metrics"),
        pytest.param({"optimizer": un.SGD(0.5, form="velocity", weight_decay=0.0, decay="l2", decay_applies_to="all")}, id="the optimizer"),
    ],
)
def test_replacing_changes_that_and_nothing_else(changes: dict[str, Any]) -> None:
    before = WHOLE.to_dict()
    changed = WHOLE.replace(**changes)
    assert {key: value for key, value in changed.fields().items() if key not in changes} == {
        key: value for key, value in WHOLE.fields().items() if key not in changes
    }
    assert {key: getattr(changed, key) for key in changes} == changes
    assert changed != WHOLE
    assert WHOLE.to_dict() == before


@pytest.mark.parametrize(("given_", "other"), [("steps", "epochs"), ("epochs", "steps")])
def test_replacing_one_length_drops_the_other(given_: str, other: str) -> None:
    changed = WHOLE.replace(steps=7).replace(**{given_: 9})
    assert (getattr(changed, given_), getattr(changed, other)) == (9, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"order": "shufle"}, 'order must be "shuffle" or "sequential" or "sample"', id="a misspelt value"),
        pytest.param({"loss": "squared_error"}, r"Use metrics=\(\)", id="a loss that the metrics do not fit"),
    ],
)
def test_replacing_checks_as_writing_does(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        WHOLE.replace(**changes)


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WHOLE.batch_size = 3  # type: ignore[misc]


# What is wrong


def optimizer(**changes: Any) -> dict[str, Any]:
    return {"optimizer": {"name": "SGD", "learning_rate": 0.1, **changes}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt key": ({"batchsize": 8}, "unknown key 'batchsize'. Did you mean 'batch_size'?"),
    "a misspelt optimizer": (optimizer(name="Adem"), "optimizer: there is no 'Adem'. Did you mean 'Adam'?"),
    "an optimizer without a rate": ({"optimizer": "SGD"}, "optimizer: SGD needs learning_rate."),
    "an optimizer without a name": (
        {"optimizer": {"learning_rate": 1}},
        "optimizer: must be a table with a name, such as {name = \"SGD\"}, not {'learning_rate': 1}.",
    ),
    "a number for an optimizer": ({"optimizer": 5}, 'optimizer: must be a table with a name, such as {name = "SGD"}, not 5.'),
    "a list for a name": ({"optimizer": {"name": ["SGD"]}}, "optimizer: must be a table with a name"),
    "no optimizer": ({"optimizer": None}, "Recipe: needs an optimizer and a batch_size"),
    "no batch size": ({"batch_size": None}, "Recipe: needs an optimizer and a batch_size"),
    "a misspelt field": (optimizer(momentun=0.5), "optimizer.momentun: SGD has no such field. Did you mean 'momentum'?"),
    "a negative rate": (optimizer(learning_rate=-1), "SGD: learning_rate must be a finite number of at least 0, not -1."),
    "text for a rate": (optimizer(learning_rate="fast"), "SGD: learning_rate must be a finite number of at least 0, not 'fast'."),
    "an infinite rate": (optimizer(learning_rate=float("inf")), "SGD: learning_rate must be a finite number of at least 0, not inf."),
    "a misspelt form": (optimizer(form="bufer"), 'SGD: form must be "buffer" or "velocity", not \'bufer\'.'),
    "a number for yes or no": (optimizer(nesterov=1), "SGD: nesterov must be true or false, not 1."),
    "a share above 1": (optimizer(name="Adam", beta1=1.5), "Adam: beta1 must be a finite number from 0 to 1, not 1.5."),
    "an eps of 0": (optimizer(name="Adam", eps=0), "Adam: eps must be a finite number of at least 1e-30, not 0."),
    "what a preset does not have": (
        {**optimizer(name="AdamW"), "preset": "gluon"},
        "the preset 'gluon' has no value for it. Give weight_decay yourself.",
    ),
    "a misspelt order": ({"order": "shufle"}, 'order must be "shuffle" or "sequential" or "sample", not \'shufle\'.'),
    "a misspelt last": ({"last": "kep"}, 'last must be "keep" or "drop" or "pad", not \'kep\'.'),
    "a misspelt divisor": ({"divisor": "actuall"}, 'divisor must be "actual" or "nominal", not \'actuall\'.'),
    "a divisor of 0": ({"divisor": 0}, 'divisor must be "actual", "nominal" or a positive number, not 0.'),
    "half a sample": ({"batch_size": 2.5}, "batch_size must be an integer of at least 1, not 2.5."),
    "epochs and steps": ({"epochs": 1}, "needs either epochs or steps, to say how long to train."),
    "neither epochs nor steps": ({"steps": None}, "needs either epochs or steps, to say how long to train."),
    "a misspelt preset": ({"preset": "pytorch"}, "There is no preset called 'pytorch'. Did you mean 'torch'?"),
    "a misspelt schedule": ({"schedule": "StepDekay"}, "schedule: there is no 'StepDekay'. Did you mean 'StepDecay'?"),
    "a schedule without its size": ({"schedule": "StepDecay"}, "schedule: StepDecay needs size."),
    "a wrong schedule in a warm-up": (
        {"schedule": {"name": "Warmup", "length": 3, "then": {"name": "StepDecay", "size": 0}}},
        "schedule: Warmup.then: StepDecay: size must be an integer of at least 1, not 0.",
    ),
    "a milestone that is no number": (
        {"schedule": {"name": "MultiStepDecay", "milestones": ["a"]}},
        "MultiStepDecay: milestones must be an integer of at least 0, not ['a'].",
    ),
    "a misspelt limit": ({"clip": {"name": "ClipVal", "limit": 1}}, "clip: there is no 'ClipVal'. Did you mean 'ClipValue'?"),
    "a limit of 0": ({"clip": {"name": "ClipNorm", "limit": 0}}, "clip: ClipNorm: limit must be a finite number of at least 1e-30, not 0."),
    "a misspelt loss": ({"loss": "cross_entropi"}, "loss: there is no loss called 'cross_entropi'. Did you mean 'cross_entropy'?"),
    "a list for a loss's name": ({"loss": {"name": ["a"]}}, "loss: there is no loss called ['a']. Known: cross_entropy, squared_error."),
    "a misspelt reduction": ({"loss": {"name": "CrossEntropy", "reduction": "max"}}, 'reduction must be "mean" or "sum", not \'max\'.'),
    "a misspelt metric": ({"metrics": ["accurcy"]}, "metrics must be \"accuracy\" or \"top_5\", not ['accurcy']."),
    "a number for metrics": ({"metrics": 5}, "metrics must be names of metrics, not 5."),
    "a metric without labels": ({"loss": "squared_error", "metrics": ["accuracy"]}, "SquaredError does not take. Use metrics=()."),
    "a misspelt averaging": ({"averaging": "sample"}, 'averaging must be "samples" or "batches", not \'sample\'.'),
    "a misspelt preset of initialisers": ({"init": "pytorch"}, "no preset of initialisers called 'pytorch'. Did you mean 'torch'?"),
    "a misspelt initialiser": ({"init": {"weight": {"name": "Norml"}}}, "init.weight: there is no initialiser called 'Norml'. Did you mean 'Normal'?"),
    "a misspelt role": ({"init": {"wieght": "Constant"}}, "init: no parameter is called 'wieght'. Did you mean 'weight'?"),
    "a misspelt fan": ({"init": {"weight": {"name": "Scaled", "gain": 1, "fan": "inn"}}}, "init.weight: Scaled knows no 'inn'. Did you mean 'in'?"),
    "text for a deviation": ({"init": {"weight": {"name": "Normal", "std": "x"}}}, "init.weight.std: must be a finite number, not 'x'."),
    "a number for an initialiser": ({"init": {"weight": 5}}, "init.weight: there is no initialiser called 5."),
    "a misspelt field of data": ({"data": {"name": "x.npz", "trian": 5}}, "data.trian: Data has no such field. Did you mean 'train'?"),
    "data without a name": ({"data": {"train": 5}}, "data: Data needs name."),
    "a deviation of 0": ({"data": {"name": "x.npz", "std": 0}}, "data: Data: std must be a finite number of at least 1e-30, not 0."),
    "an empty name": ({"name": ""}, "name must be a non-empty string, not ''."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(case: str) -> None:
    document, message = WRONG[case]
    with pytest.raises(DescriptionError) as caught:
        from_dict({**BASE, **document}, where="mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__  # nothing but the paragraph is shown


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_wrong_is_named(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{format}"
    un.save_recipe(WHOLE, path)
    path.write_text(path.read_text().replace("learning_rate", "learning_rat"))
    with pytest.raises(DescriptionError) as caught:
        un.load_recipe(path)
    assert str(caught.value) == (f"mine.{format}: optimizer.learning_rat: Adam has no such field. Did you mean 'learning_rate'?")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_cannot_be_read_or_written_is_named(format: str, tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / f"mine.{format}"
    with pytest.raises(DescriptionError, match=f"mine.{format}: cannot be written"):
        un.save_recipe(WHOLE, path)
    path = tmp_path / f"broken.{format}"
    path.write_text("{")
    with pytest.raises(DescriptionError, match=f"broken.{format}"):
        un.load_recipe(path)


def test_a_recipe_without_a_name_has_its_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(BASE))
    assert un.load_recipe(path).name == "mine"
    assert from_dict({**BASE, "name": "yours"}).name == "yours"


def test_a_preset_misspelt_in_python_is_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="There is no preset called 'mxnet'"):
        un.Recipe(optimizer=un.SGD(0.1), batch_size=8, steps=1, preset="mxnet")


@pytest.mark.parametrize("part", [un.SGD(0.1, momentum=0.5), un.Warmup(3, then=un.StepDecay(2)), un.ClipValue(0.5)], ids=repr)
def test_a_part_is_written_as_python_that_makes_it(part: Setting) -> None:
    assert eval(repr(part), vars(un) | {type(item).__name__: type(item) for item in (part, un.StepDecay(1))}) == part
