"""Recipes on the command line: those built in, and how `unicnn show` and `unicnn fingerprint` take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import zoo
from unicnn.training import builtin
from unicnn.training.run import Run

from .commands import PYTHON, RECIPE, Commands, paragraph

BUILT_IN = {
    "lenet": ("lenet", {"batch_size": 128}),
    "gluon-lenet": ("lenet", {"batch_size": 256, "epochs": 10, "divisor": "nominal", "averaging": "batches", "init": {"weight": un.Uniform(0.07), "bias": un.Constant(0)}}),
    "lenet-from-scratch": ("lenet", {"batch_size": 256, "epochs": 5, "init": {"weight": un.Normal(0.01), "bias": un.Constant(0)}}),
    "tf-cnn": ("tf-cnn", {"batch_size": 50, "steps": 6000, "order": "sample", "divisor": 1.0, "loss": un.CrossEntropy("sum"), "optimizer": un.Adam(0.001).filled("keras")}),
    "vgg11-quarter": ("vgg11-quarter", {"batch_size": 128, "epochs": 10, "optimizer": un.SGD(0.05).filled("torch")}),
}  # fmt: skip


class TestBuiltIn:
    def test_recipes_are_these(self) -> None:
        assert builtin.names() == sorted(BUILT_IN)

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_recipes_say_what_the_tutorials_do(self, name: str) -> None:
        recipe = builtin.get(name)
        model, fields = BUILT_IN[name]
        assert (recipe.name, recipe.model) == (name, model)
        assert {key: getattr(recipe, key) for key in fields} == fields

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_recipes_feed_their_networks(self, name: str) -> None:
        recipe = builtin.get(name)
        assert recipe.data is not None
        assert zoo.get(recipe.model or "").input_shape[1:] == (recipe.data.resize or (28, 28))

    def test_a_recipe_is_trained_by_its_name(self, unicnn: Commands) -> None:
        assert [line["step"] for line in unicnn.train("--steps", "1", recipe="gluon_lenet", numerics="native").lines] == [1]


class TestShow:
    @pytest.mark.parametrize(
        ("arguments", "is_recipe"),
        [
            pytest.param(("lenet",), False, id="a-name-that-is-both-is-the-network"),
            pytest.param(("lenet", "--recipe"), True, id="or-the-recipe-if-asked"),
            pytest.param(("gluon-lenet",), True, id="a-built-in-recipe"),
            pytest.param(("resnet18",), False, id="a-network-of-the-zoo"),
            pytest.param(("net.toml",), False, id="a-file-with-layers"),
            pytest.param(("recipe.toml",), True, id="a-file-without"),
            pytest.param(("recipe.py:mine",), True, id="a-recipe-in-a-python-file"),
            pytest.param(("recipe.py:net",), False, id="a-network-in-a-python-file"),
        ],
    )
    def test_finds_networks_and_recipes(self, unicnn: Commands, arguments: Any, is_recipe: bool) -> None:
        unicnn.write("recipe.py", PYTHON)
        answer = unicnn("show", *arguments, "--json", "-")
        assert answer.code == 0, answer.err
        assert ("optimizer" in json.loads(answer.out)) == is_recipe

    def test_says_what_a_misspelt_recipe_may_have_been(self, unicnn: Commands) -> None:
        answer = unicnn("show", "gluon-lenett")
        assert (answer.code, answer.out) == (2, "")
        assert "no built-in recipe. Did you mean 'gluon-lenet'?" in answer.err
        assert paragraph(answer.err)

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_prints_every_choice_of_a_recipe(self, unicnn: Commands, name: str) -> None:
        recipe = builtin.get(name)
        answer = unicnn("show", name, "--recipe")
        words = answer.out.split()
        wanted = [key for key in recipe.to_dict() if key not in ("name", "init")]
        wanted += [f"{part}.{key}" for part in ("data", "optimizer", "schedule") for key in getattr(recipe, part).fields() if key != "name"]
        wanted += [f"init.{role}" for role in recipe.init] + ["loss.reduction"]
        assert [word for word in wanted if word not in words] == []
        assert f"{recipe.optimizer.learning_rate:g}" in words

    def test_gives_json_that_is_the_recipe_again(self, unicnn: Commands) -> None:
        unicnn("show", "tf-cnn", "--recipe", "--json", "again.json")
        assert un.load_recipe("again.json") == builtin.get("tf-cnn")


class TestFingerprint:
    def test_of_a_recipe_is_that_of_the_training(self, unicnn: Commands) -> None:
        answer = unicnn("fingerprint", "recipe.toml", "--steps", "6", "--backend", "numpy", "--seed", "3")
        assert answer.code == 0, answer.err
        assert answer.out.split()[0] == unicnn.train("--steps", "6", "--seed", "3").sha256
        assert (
            "net after 6 steps of the recipe recipe on 80 Fashion-MNIST images, seed 3: weights, optimiser state and history, NumPy"
            in answer.out
        )

    def test_of_a_whole_recipe_needs_no_steps(self, unicnn: Commands) -> None:
        assert unicnn("fingerprint", "recipe.toml", "--backend", "numpy").out.split()[0] == unicnn.train().sha256

    def test_is_the_same_on_two_backends(self, unicnn: Commands) -> None:
        pytest.importorskip("torch", reason="PyTorch is not installed")
        answer = unicnn("fingerprint", "recipe.toml", "--steps", "6", "--backend", "numpy,torch", "--json", "found.json")
        assert answer.code == 0, answer.out
        found = json.loads(Path("found.json").read_text(encoding="utf-8"))
        assert [item["backend"] for item in found] == ["numpy", "torch"]
        assert len({item["sha256"] for item in found}) == 1

    def test_takes_the_images_of_the_package(self, unicnn: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        unicnn.recipe((', source = "embedded"', ""))
        monkeypatch.setenv("UNICNN_DATA", str(tmp_path))
        answer = unicnn("fingerprint", "recipe.toml", "--steps", "2", "--backend", "numpy")
        unicnn.recipe()
        assert answer.out == unicnn("fingerprint", "recipe.toml", "--steps", "2", "--backend", "numpy").out

    @pytest.mark.parametrize(
        ("when", "words"),
        [
            pytest.param(2, ["NumPy and PyTorch differ first in the loss of step 3"], id="the-first-loss"),
            pytest.param(4, ["same losses", "the weight 'linear1.bias'"], id="else-the-first-weight"),
        ],
    )
    def test_says_where_backends_part(self, unicnn: Commands, monkeypatch: pytest.MonkeyPatch, when: int, words: list[str]) -> None:
        pytest.importorskip("torch", reason="PyTorch is not installed")
        step = Run.step

        def spoilt(run: Run) -> None:
            step(run)
            if run.program.backend.info.name == "torch" and run.steps == when:
                weights = run.program.weights()
                weights["linear1.bias"][0] += np.float32(1e-3)
                run.program.load(weights)

        monkeypatch.setattr(Run, "step", spoilt)
        unicnn.recipe((", test = 30", ", test = 0"))
        answer = unicnn("fingerprint", "recipe.toml", "--steps", "4", "--backend", "numpy,torch")
        assert answer.code == 1
        assert [word for word in words if word not in answer.out] == [], answer.out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            pytest.param(("net.toml", "--steps", "2"), ["DescriptionError", "describes a network"], id="steps-of-a-network"),
            pytest.param(("resnet18", "--steps", "2"), ["UnknownNameError", "recipe", "'resnet18'"], id="steps-of-a-network-of-the-zoo"),
            pytest.param(("recipe.toml", "--gradients"), ["InputError", "Leave them out"], id="gradients-of-a-recipe"),
            pytest.param(("recipe.toml", "--batch", "3"), ["InputError", "Leave them out"], id="a-batch-of-a-recipe"),
            pytest.param(("nameless.toml",), ["InputError", "nameless: names no network"], id="a-recipe-without-a-network"),
        ],
    )
    def test_errors_are_one_paragraph_and_exit_2(self, unicnn: Commands, arguments: Any, words: list[str]) -> None:
        unicnn.write("nameless.toml", RECIPE, ('model = "net.toml"\n', ""))
        answer = unicnn("fingerprint", *arguments, "--backend", "numpy")
        assert (answer.code, answer.out) == (2, "")
        assert [word for word in words if word not in answer.err] == [], answer.err
        assert paragraph(answer.err)
