"""`unicnn fuzz`: its options, what it prints, its exit codes, and that it is deterministic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unicnn.conformance.fuzzing.campaign import Options, campaign
from unicnn.conformance.fuzzing.ledger import Ledger
from unicnn.errors import BackendError, InputError

from .planted import TORCH, plant

FUZZ = (sys.executable, "-m", "unicnn.cli", "fuzz")


def fuzz(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FUZZ, *arguments], capture_output=True, text=True, timeout=600, check=False, cwd=cwd)


def test_networks_without_a_failure_exit_with_0(tmp_path: Path) -> None:
    run = fuzz("--n", "4", "--backends", "numpy,torch", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "4 networks run on numpy, torch" in run.stdout
    assert "No failures." in run.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--backends", "nump"], ["nump", "Did you mean 'numpy'"], id="a-backend-that-is-not-there"),
        pytest.param(["--backends", ","], ["no backend"], id="no-backend"),
        pytest.param(["--n", "0"], ["--n"], id="no-networks"),
        pytest.param(
            ["--n", "1", "--backends", "numpy", "--json", "no/such/folder.json"],
            ["no/such/folder.json"],
            id="a-file-that-cannot-be-written",
        ),
    ],
)
def test_bad_input_exits_with_2(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    run = fuzz(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert all(word in run.stderr for word in words), run.stderr
    assert "Traceback" not in run.stderr


def test_the_same_seed_gives_the_same_document(tmp_path: Path) -> None:
    runs = [fuzz("--n", "6", "--seed", seed, "--backends", "numpy", "--json", "-", cwd=tmp_path) for seed in ("3", "3", "4")]
    documents: list[Any] = [json.loads(run.stdout) for run in runs]
    assert documents[0] == documents[1] != documents[2]
    assert documents[0]["networks"] == 6
    assert documents[0]["backends"] == ["numpy"]


def test_a_failure_exits_with_1_and_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    from unicnn.conformance.fuzzing import campaign as module
    from unicnn.conformance.fuzzing.command import fuzz as command
    from unicnn.conformance.fuzzing.running import Seen, Suspect

    plant(TORCH, tmp_path, monkeypatch)
    fault = module.Fault("torch", "native", "Conv2d", "output")
    monkeypatch.setattr(module, "run", lambda drawn, backends: Seen((Suspect(fault, "conv1"),), 1, 0))
    monkeypatch.setattr(module, "cut", lambda *_: (fault, TORCH.spot))
    with pytest.raises(typer.Exit) as end:
        command(n=3, seed=0, backends="torch", minutes=None, out=tmp_path / "found", json_to=None)
    assert end.value.exit_code == 1
    printed = capsys.readouterr().out
    assert "torch: output Conv2d (native), in 3 networks" in " ".join(printed.split())
    (where,) = (tmp_path / "found").iterdir()
    assert where.name.startswith("torch-conv2d-")
    assert where.name in printed


def test_a_folder_that_cannot_be_written_ends_the_campaign_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unicnn.conformance.fuzzing import campaign as module
    from unicnn.conformance.fuzzing.running import Seen, Suspect

    runs = []
    fault = module.Fault("numpy", "identical", "Conv2d", "bytes of output")
    monkeypatch.setattr(module, "run", lambda drawn, backends: runs.append(drawn) or Seen((Suspect(fault, "conv1"),), 1, 0))
    monkeypatch.setattr(module, "cut", lambda *_: (fault, TORCH.spot))
    monkeypatch.setattr(module, "smallest", lambda spot, *_: spot)
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        campaign(Options(20, 0, ("numpy",), file))
    assert len(runs) == 1


def test_an_interrupted_campaign_reports_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(ledger: Ledger) -> None:
        if ledger.networks == 3:
            raise KeyboardInterrupt

    assert campaign(Options(20, 0, ("numpy",), tmp_path), tell).networks == 3


def test_time_ends_a_campaign(tmp_path: Path) -> None:
    ledger = campaign(Options(1000, 0, ("numpy",), tmp_path, seconds=1.0))
    assert 0 < ledger.networks < 1000


def test_without_hypothesis_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(BackendError, match=r"pip install 'unicnn\[fuzz\]'"):
        campaign(Options(1, 0, ("numpy",), tmp_path))
