"""The comparison on a GPU runs, here on the CPU, and says so if there is no such device."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from unicnn import plugins

SCRIPT = Path(__file__).parents[1] / "on_gpu.py"


def script(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["on_gpu.py", *arguments])
    spec = importlib.util.spec_from_file_location("on_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "NETWORKS", {"lenet": 3})
    monkeypatch.setattr(module, "CASES", module.CASES[:5])
    result: int = module.main()
    return result


def test_it_compares_a_device_with_numpy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str) -> None:
    table = tmp_path / "gpu.md"
    assert script(monkeypatch, "--device", "cpu", "--backends", backend, "--graphs", "3", "--markdown", str(table)) == 0
    rows = [line for line in table.read_text().splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[2] for row in rows] == ["same"] * (1 + 5 + 1) + ["4 passed", "1 passed"]


def test_it_says_so_if_there_is_no_such_device(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert script(monkeypatch, "--device", "quantum", "--backends", plugins.usable()[0]) == 2
    assert "No backend can use the device 'quantum'" in capsys.readouterr().err
