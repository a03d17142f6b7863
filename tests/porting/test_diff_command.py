"""The command `unicnn diff`: exit codes, tables, JSON, and errors of one paragraph."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unicnn as un
from unicnn.cli import main

Run = Callable[..., tuple[int, str, str]]

BODY = '{{op = "ReLU"}}, {{op = "MaxPool2d", kernel_size = 2}}, {{op = "Flatten"}}, {{op = "Linear", out_features = 3}}'
CONV = (
    'input = [1, 8, 8]\nlayers = [{{op = "Conv2d", name = "{name}", out_channels = 2, kernel_size = 3, stride = 2, padding = {padding}}}, '
)
NETWORK = CONV + BODY + "]"
FILES = {
    "same.toml": NETWORK.format(name="conv1", padding='"same"'),
    "one.toml": NETWORK.format(name="conv1", padding=1),
    "sides.toml": NETWORK.format(name="stem.0", padding="[[0, 1], [0, 1]]"),
    "nets.py": "import unicnn as un\nother = un.load('same.toml')\nrecipe = un.Recipe(optimizer=un.SGD(0.1), batch_size=2, epochs=1)\nnumber = 3",
    "recipe.toml": "batch_size = 256\nepochs = 10\noptimizer = {name = 'SGD', learning_rate = 0.5}\ndata = 'fashion-mnist'",
    "gluon.toml": "batch_size = 256\nepochs = 10\npreset = 'gluon'\noptimizer = {name = 'SGD', learning_rate = 0.5}\ndata = 'fashion-mnist'",
}


@pytest.fixture
def run(monkeypatch: Any, capsys: Any, tmp_path: Path) -> Run:
    """Return a function that runs `unicnn diff` in this process, in a folder with the files above."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unicnn", "diff", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("a", "b", "code", "verdict"),
    [
        ("same.toml", "one.toml", 1, "not the same network: 1 difference, padding of conv1"),
        ("same.toml", "sides.toml", 0, "The same network: 1 difference in writing, without effect, 1 layer has another name"),
        ("same.toml", "nets.py:other", 0, "The same network: nothing differs"),
        ("lenet", "lenet", 0, "The same network: nothing differs"),
        ("recipe.toml", "recipe.toml", 0, "The same recipe: nothing differs."),
        ("recipe.toml", "gluon.toml", 1, "train differently: divisor"),
    ],
    ids=["other sides", "sides written out", "a Python file", "the zoo", "a recipe and itself", "two presets"],
)
def test_the_exit_code_is_the_verdict(run: Run, a: str, b: str, code: int, verdict: str) -> None:
    found, out, err = run(a, b)
    assert (found, err) == (code, "")
    assert verdict in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lenet", "recipe.toml"), "a network and a recipe"),
        (("lenet", "lenett"), "Did you mean 'lenet'"),
        (("same.toml", "gone.toml"), "cannot be read"),
        (("lenet", "gone-symbol.json"), "gone-symbol.json"),
        (("same.toml", "nets.py:number"), "nets.py:number"),
        (("same.toml", "one.toml", "--batch", "1"), "at least 2 samples"),
        (("same.toml", "one.toml", "--input", "1,1,8,8", "--input", "1,1,8,8", "--input", "1,1,8,8"), "given 3 times"),
        (("same.toml", "one.toml", "--json", "no/such/folder.json"), "cannot be written"),
    ],
    ids=["a network and a recipe", "a misspelling", "a missing file", "a missing export", "a number", "one sample", "three inputs", "no folder"],
)  # fmt: skip
def test_bad_input_is_one_paragraph(run: Run, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_a_name_that_is_both_may_mean_the_recipe(run: Run) -> None:
    code, out, _ = run("lenet", "gluon-lenet", "--recipe")
    assert code == 1
    assert out.startswith("recipe lenet")


@pytest.mark.parametrize("pair", [("same.toml", "one.toml"), ("recipe.toml", "gluon.toml")], ids=["networks", "recipes"])
def test_json_says_what_the_result_says(run: Run, pair: tuple[str, str]) -> None:
    code, out, _ = run(*pair, "--json", "-")
    document, result = json.loads(out), un.diff(*pair)
    assert code == 1
    assert document == json.loads(result.to_json())
    assert document["same"] is False
    assert [item["what"] for item in document["differences"]] == [item.what for item in result.differences]
    assert document["differences"][0]["effect"]


def test_without_running_nothing_is_measured(run: Run) -> None:
    _, out, _ = run("same.toml", "one.toml", "--no-run", "--json", "-")
    assert json.loads(out)["differences"][0]["effect"] == {}


def chain(eps: float) -> un.Model:
    layers = [layer for _ in range(6) for layer in (un.Conv2d(2, 3, padding=1), un.ReLU())]
    return un.Sequential([*layers, un.BatchNorm2d(eps=eps), un.Flatten(), un.Linear(3)], input=(1, 6, 6), name="chain")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_tables_fit_and_leave_out_what_is_equal(width: int) -> None:
    result = un.diff(chain(1e-3), chain(1e-5))
    short, long = result.table(width), result.table(width, every=True)
    assert max(map(len, (*short.splitlines(), *long.splitlines()))) <= width
    assert "… 11 equal layers …" in short
    assert "equal layers" not in long
    assert all(layer.name in long for layer in chain(1e-3).layers)
    assert "conv1 " not in short
    for told in ("norm1", "relu6", "flatten1", "1. eps of norm1: 0.001 | 1e-05: inference differs"):
        assert told in short


def test_long_runs_of_missing_layers_are_one_line() -> None:
    a = chain(1e-3)
    b = un.Sequential([un.Conv2d(2, 3, padding=1), un.BatchNorm2d(eps=1e-3), un.Flatten(), un.Linear(3)], input=(1, 6, 6), name="short")
    text = un.diff(a, b).table(120)
    assert "11 layers are missing" in text
    assert "- … 9 more …" in text


def test_the_page_shows_what_is_printed(capsys: Any) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "diffing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    assert len(blocks) == 2
    for code, shown in blocks:
        exec(code, names)
        assert capsys.readouterr().out.strip() == shown.strip()
