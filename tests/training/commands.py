"""The command line in this process and in one of its own, and a training small enough to be over at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unicnn.cli import main

NET = (
    'input = [1, 28, 28]\nlayers = [{op = "Conv2d", out_channels = 4, kernel_size = 5, stride = 3, activation = "relu"}, '
    '{op = "Flatten"}, {op = "Linear", out_features = 10}]\n'
)
RECIPE = (
    'model = "net.toml"\nbatch_size = 16\nepochs = 3\n'
    'data = {name = "fashion-mnist", source = "embedded", train = 80, test = 30}\n'
    'optimizer = {name = "SGD", learning_rate = 0.1, momentum = 0.9}\n'
)
"""Five steps an epoch, fifteen in all."""
PYTHON = """
import unicnn as un

data = un.Data("fashion-mnist", source="embedded", train=80, test=30)
mine = un.Recipe(data=data, optimizer=un.SGD(0.1, momentum=0.9), batch_size=16, epochs=3, model="net.toml")

def net():
    return un.load("net.toml")
"""


class Answer:
    """Hold what a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def sha256(self) -> str:
        return str(self.lines[-1]["sha256"])


class Commands:
    """Run the command line in a folder that holds net.toml and recipe.toml."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        self.write("net.toml", NET)
        self.write("recipe.toml", RECIPE)

    def write(self, name: str, text: str, *changes: tuple[str, str]) -> None:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.folder / name).write_text(text, encoding="utf-8")

    def recipe(self, *changes: tuple[str, str]) -> None:
        self.write("recipe.toml", RECIPE, *changes)

    def __call__(self, *arguments: str) -> Answer:
        self.monkeypatch.setattr(sys, "argv", ["unicnn", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return Answer(code, *self.capsys.readouterr())

    def train(self, *arguments: str, recipe: str = "recipe.toml", backend: str = "numpy", numerics: str = "identical") -> Answer:
        return self("train", recipe, "--backend", backend, "--numerics", numerics, *arguments)


def start(*arguments: str, code: str | None = None) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, after `code` if there is any."""
    program = ["-c", f"{code}\nfrom unicnn.cli import main\nmain()"] if code else ["-m", "unicnn.cli"]
    return subprocess.Popen([sys.executable, *program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def paragraph(text: str) -> bool:
    """Tell whether text is one line, of sentences, and no traceback."""
    return len(text.splitlines()) == 1 and text.rstrip().endswith((".", "?")) and "Traceback" not in text
