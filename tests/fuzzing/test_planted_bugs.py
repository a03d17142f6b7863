"""A bug that is planted is found, cut down to one layer with a handful of numbers, and written as a script that shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unicnn import files, plugins
from unicnn.conformance.fuzzing import judging
from unicnn.conformance.fuzzing.campaign import Options, campaign, smallest
from unicnn.conformance.fuzzing.reproducing import shows, write_spot
from unicnn.conformance.fuzzing.spot import Fault, Spot

from .planted import BUGS, TORCH, Bug, plant

PLANTED = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.op}-on-{bug.backend}")


def fault(bug: Bug) -> Fault:
    return Fault(bug.backend, "native", type(bug.spot.op).__name__, bug.kind)


def size(spot: Spot) -> int:
    return sum(array.size for array in spot.arrays().values())


@PLANTED
def test_without_the_bug_the_layer_is_right(bug: Bug, tmp_path: Path) -> None:
    if bug.backend not in plugins.usable():
        pytest.skip(f"{bug.backend} cannot be used here")
    assert judging.native(bug.spot, bug.backend) == []


@PLANTED
def test_the_layer_shrinks_to_a_few_small_integers(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(bug, tmp_path, monkeypatch)
    small = smallest(bug.spot, fault(bug), [bug.backend])
    assert fault(bug) in judging.native(small, bug.backend)
    assert len(small.model) == 1
    assert size(small) <= 12 < size(bug.spot)
    assert all(np.abs(array).max(initial=0) <= 8 for array in small.arrays().values())
    assert sum(np.count_nonzero(array) for array in small.arrays().values()) <= 4


@PLANTED
def test_the_script_shows_the_bug_by_itself(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(bug, tmp_path, monkeypatch)
    small = smallest(bug.spot, fault(bug), [bug.backend])
    written = write_spot(tmp_path / "found", fault(bug), small, plugins.usable())
    assert written.stands_alone
    assert {item.name for item in written.where.iterdir()} >= {"model.toml", "tensors.safetensors", "reproduce.py", "README.md"}
    assert files.load(written.where / "model.toml").layers[0].op == small.op
    text = (written.where / "reproduce.py").read_text(encoding="utf-8")
    assert "unicnn" not in text
    assert str(tmp_path) not in text
    assert len(text.splitlines()) < 220
    about = (written.where / "README.md").read_text(encoding="utf-8")
    assert type(bug.spot.op).__name__ in about
    assert bug.backend in about


@PLANTED
def test_the_script_of_a_right_lowering_exits_with_0(bug: Bug, tmp_path: Path) -> None:
    if bug.backend not in plugins.usable():
        pytest.skip(f"{bug.backend} cannot be used here")
    written = write_spot(tmp_path, fault(bug), bug.spot, plugins.usable())
    assert not written.stands_alone, "there was nothing to show, and it should have said so"
    plain = scripted(tmp_path / "plain", bug)
    run = subprocess.run([sys.executable, plain / "reproduce.py"], capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.rstrip().endswith("is right")


def scripted(where: Path, bug: Bug) -> Path:
    """Write the script of a bug that is not there, and return the folder."""
    from unicnn.conformance.fuzzing.script import partner, script, tensors

    where.mkdir()
    numbers = tensors(bug.spot, None)
    other = partner(bug.spot, fault(bug), plugins.usable(), numbers)
    (where / "reproduce.py").write_text(script(fault(bug), bug.spot, other, numbers, "Nothing is wrong."), encoding="utf-8")
    files.save_weights(numbers, where / "tensors.safetensors")
    return where


def test_random_networks_meet_a_planted_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(TORCH, tmp_path, monkeypatch)
    ledger = campaign(Options(100, 0, ("torch",), tmp_path / "found"))
    found = {(finding.fault.op, finding.fault.level) for finding in ledger.findings.values()}
    assert ("Conv2d", "native") in found
    first = next(finding for finding in ledger.findings.values() if finding.fault.op == "Conv2d")
    assert first.where is not None
    model = files.load(first.where / "model.toml")
    assert len(model) == 1
    assert np.prod(model.input_shape) <= 4
    assert shows(first.where)


def test_a_fault_that_only_a_whole_network_shows_is_shrunk_by_hypothesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unicnn.conformance.fuzzing import campaign as module
    from unicnn.conformance.fuzzing.running import NETWORK, Seen, Suspect

    wrong = Fault("numpy", "identical", NETWORK, "bytes of output")

    def run(drawn: Any, backends: Any) -> Seen:
        names = [type(layer.op).__name__ for layer in drawn.model.layers]
        return Seen((Suspect(wrong, None),) if "Conv2d" in names and "Linear" in names else (), 1, 0)

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "cut", lambda *_: None)
    ledger = campaign(Options(60, 0, ("numpy",), tmp_path))
    assert [finding.fault for finding in ledger.findings.values()] == [wrong]
    (finding,) = ledger.findings.values()
    assert finding.where is not None
    assert len(files.load(finding.where / "model.toml")) <= 3
    assert finding.stands_alone is False
