"""The example of a ported tutorial: its files are what the command writes today, and the page shows them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import unicnn as un
from unicnn import plugins
from unicnn.porting.finding import find_network

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "port_a_tutorial"
PAGE = ROOT / "examples" / "port_a_tutorial.md"


@pytest.fixture(scope="module")
def write():
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("examples.port_a_tutorial.write")
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture(scope="module")
def original():
    if not plugins.dialect("gluon").installed:
        pytest.skip("the tutorial is written in Gluon, which is not installed")
    return find_network(f"{FOLDER / 'gluon_lenet.py'}:lenet", (1, 1, 28, 28))


@pytest.mark.parametrize("dialect", ["torch", "keras", "numpy"])
def test_the_file_is_what_is_written_today(write, original, dialect):
    from unicnn.training.builtin import get

    text = (FOLDER / write.TARGETS[dialect]).read_text(encoding="utf-8")
    assert un.emit(original, dialect, recipe=get("gluon-lenet")) == text
    assert "unicnn" not in text


def test_the_page_shows_the_files_and_both_verdicts(write):
    page = PAGE.read_text(encoding="utf-8")
    for file in ("gluon_lenet.py", "lenet_torch.py", "lenet_keras.py"):
        assert (FOLDER / file).read_text(encoding="utf-8").rstrip() in page
    numpy = (FOLDER / "lenet_numpy.py").read_text(encoding="utf-8")
    assert numpy[numpy.index("class LeNet") :].rstrip() in page
    assert page.count("Proven: 10 layers, 1 output, 9 gradients and 20 training steps") == 3
    assert "Not the same: linear1" in page
    assert "{{" not in page


def test_the_mistake_is_in_the_file(write):
    text = (FOLDER / "lenet_keras.py").read_text(encoding="utf-8")
    assert write.wrong(text) != text


@pytest.mark.slow
def test_the_page_is_what_the_commands_print(write, original, tmp_path):
    found = write.page(tmp_path)
    for line in ("The command exits with 1.", "Not the same: linear1 (Linear 128) is the first to differ"):
        assert line in found
    assert found.count("Proven: 10 layers") == 3
