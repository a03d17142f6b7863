"""Fingerprints: those in the README hold on every backend, a weight changes them, and what proves nothing has none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import InputError
from unicnn.fingerprint import checked, digest, fingerprint

README = Path(__file__).parents[2] / "README.md"
SHOWN = re.findall(
    r"^\$ unicnn fingerprint (\S+)( --gradients)?\n((?:[0-9a-f]{64} .*\n)+)", README.read_text(encoding="utf-8"), re.MULTILINE
)


def images(model: un.Model, batch: int) -> tuple[Any, Any, str]:
    from unicnn.sources import sample

    return sample(model, "auto", batch)


@pytest.mark.parametrize(("name", "gradients", "lines"), SHOWN, ids=[name for name, *_ in SHOWN])
def test_the_fingerprint_in_the_readme_holds(name: str, gradients: str, lines: str, backend: str) -> None:
    model = un.zoo.get(name)
    x, labels, _ = images(model, 16)
    found = fingerprint(model, x, labels if gradients else None, backend)
    assert {line.split()[0] for line in lines.splitlines()} == {found.sha256}


def test_the_readme_shows_two_networks() -> None:
    assert [name for name, *_ in SHOWN] == ["lenet", "resnet18"]


def test_one_weight_of_one_layer_changes_the_digest() -> None:
    program = un.lower(un.zoo.lenet(), "numpy", numerics="identical")
    x, *_ = images(un.zoo.lenet(), 4)
    before = digest([program(x)])
    weights = program.weights()
    weights["conv2.weight"][3, 2, 1, 0] *= np.float32(1 + 2.0**-10)
    program.load(weights)
    assert digest([program(x)]) != before


def test_a_digest_tells_shapes_and_dtypes_apart() -> None:
    array = np.arange(6, dtype=np.float32)
    digests = {digest([array]), digest([array.reshape(2, 3)]), digest([array.astype(np.float64)]), digest([array[:3], array[3:]])}
    assert len(digests) == 4
    assert digest([array.reshape(2, 3)]) == digest([np.asfortranarray(array.reshape(2, 3)).astype(">f4")])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((2, 3), np.float32), "All values of output are equal"),
        (np.array([1, np.nan], np.float32), "output holds values that are not finite"),
    ],
    ids=["constant", "not finite"],
)
def test_what_proves_nothing_has_no_fingerprint(array: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        checked({"output": array})


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unicnn.cli", "fingerprint", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def test_the_command_prints_one_line_a_backend_and_json(tmp_path: Path) -> None:
    run = command("lenet", "--batch", "3", "--backend", "numpy", "--json", str(tmp_path / "found.json"))
    assert run.returncode == 0, run.stderr
    (item,) = json.loads((tmp_path / "found.json").read_text())
    assert run.stdout.startswith(f"{item['sha256']}  lenet, outputs of 3 Fashion-MNIST test images, NumPy")
    assert (item["batch"], item["gradients"], item["device"]) == (3, False, "cpu")


def test_native_numerics_differ_between_frameworks_and_the_command_says_so() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    run = command("lenet", "--batch", "3", "--backend", "numpy,torch", "--numerics", "native")
    assert run.returncode == 1, run.stderr
    assert len({line.split()[0] for line in run.stdout.splitlines()}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["lenets"], "There is no network called 'lenets'"), (["lenet", "--backend", "torchy"], "There is no backend called 'torchy'")],
    ids=["unknown network", "unknown backend"],
)
def test_bad_input_is_one_paragraph(arguments: list[str], message: str) -> None:
    run = command(*arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr
