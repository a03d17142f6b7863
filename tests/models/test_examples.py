"""Every example runs on every backend; each asserts the numbers of its tutorial."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from unicnn import fashion_mnist, plugins
from unicnn.errors import DataError
from unicnn.training import builtin

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in sorted(ROOT.joinpath("examples").glob("*.py"))}
TRAININGS = [name for name in EXAMPLES if name.startswith("train_")]
ON_ALL = "collapse"
BUILT_IN = {
    "train_gluon_lenet": "gluon-lenet",
    "train_lenet_from_scratch": "lenet-from-scratch",
    "train_tensorflow_cnn": "tf-cnn",
    "train_vgg": "vgg11-quarter",
}


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES[name]))


def marked(name: str) -> Any:
    return pytest.param(name, id=name, marks=[pytest.mark.slow] if name == "train_vgg" else [])


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in TRAININGS and name != ON_ALL])
def test_example_holds(name: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    example(name)["main"](backend)
    assert len(capsys.readouterr().out) > 80


@pytest.mark.parametrize("name", [marked(name) for name in TRAININGS])
def test_training_holds(name: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    example(name)["main"](backend)
    assert len(capsys.readouterr().out) > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_training_prints_the_same_everywhere_under_identical_numerics(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = set()
    for backend in plugins.usable():
        example(name)["main"](backend, "identical")
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


def test_a_few_steps_of_a_collapse_are_the_same_under_identical_numerics_and_differ_under_native(
    capsys: pytest.CaptureFixture[str],
) -> None:
    example(ON_ALL)["main"]([5], steps=4)
    assert "SHA-256" in capsys.readouterr().out


@pytest.mark.slow
def test_whole_collapses_are_the_same_under_identical_numerics(capsys: pytest.CaptureFixture[str]) -> None:
    example(ON_ALL)["main"]([8])
    assert "SHA-256" in capsys.readouterr().out


@pytest.mark.slow
def test_the_edge_kernel_is_learned_from_every_seed() -> None:
    for seed in range(100):
        example("train_edge_kernel")["main"](seed=seed)


@pytest.mark.slow
def test_the_gluon_training_holds_on_all_images(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        fashion_mnist("train", source="full")
    except DataError as error:
        pytest.skip(str(error))
    example("train_gluon_lenet")["main"](full=True)
    assert "the tutorial's: 0.8867" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "built_in"), BUILT_IN.items())
def test_a_recipe_is_the_one_that_comes_with_unicnn(name: str, built_in: str) -> None:
    theirs = builtin.get(built_in)
    assert example(name)["RECIPE"].replace(name=theirs.name, model=theirs.model) == theirs


def test_every_example_is_listed_in_the_readme() -> None:
    listed = ROOT.joinpath("examples/README.md").read_text()
    assert len(EXAMPLES) >= 11
    assert [path.name for path in EXAMPLES.values() if f"`{path.name}`" not in listed] == []
