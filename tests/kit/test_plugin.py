"""The pytest plugin, as a stranger meets it: five lines, options, a scorecard, records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIVE_LINES = """
from unicnn.conformance import BackendConformance


class TestMine(BackendConformance):
    backend = "{backend}"
"""


def run(folder: Path, *options: str, backend: str = "numpy", text: str = FIVE_LINES) -> subprocess.CompletedProcess[str]:
    """Run pytest on the five lines in a folder of their own."""
    folder.joinpath("test_mine.py").write_text(text.format(backend=backend), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_five_lines_run_the_cases_and_print_a_scorecard(tmp_path: Path) -> None:
    result = run(tmp_path, "-k", "relu/ or max_pool2d/2x2/ or stale")
    assert result.returncode == 0, result.stdout
    assert "unicnn conformance" in result.stdout
    assert "conforms: " in result.stdout
    assert "exact" in result.stdout
    assert "known: relu" not in result.stdout


def test_workers_of_xdist_send_their_verdicts(tmp_path: Path) -> None:
    alone, several = (run(tmp_path, "-k", "relu/", *more) for more in ((), ("-n", "2")))
    scores = [[line for line in result.stdout.splitlines() if "conforms: " in line] for result in (alone, several)]
    assert scores[0] == scores[1] != []


def test_a_missing_device_skips_with_the_reason_and_fails_if_it_is_required(tmp_path: Path) -> None:
    pytest.importorskip("unicnn_numpy")
    skipped = run(tmp_path, "-k", "relu/plain-of-a-vector/exact", "-rs", "--unicnn-device", "none-such")
    assert skipped.returncode == 0
    assert "NumPy cannot use the device 'none-such' here" in skipped.stdout
    failed = run(tmp_path, "-k", "relu/plain-of-a-vector/exact", "--unicnn-device", "none-such", "--unicnn-require", "none-such")
    assert failed.returncode == 1
    assert "NumPy cannot use the device 'none-such' here" in failed.stdout


def test_a_backend_that_no_plugin_brings_fails(tmp_path: Path) -> None:
    result = run(tmp_path, "-k", "relu/plain-of-a-vector/exact", backend="nothing")
    assert result.returncode == 1
    assert "no plugin brings the backend 'nothing'" in result.stdout


def test_other_backends_are_left_out_on_demand(tmp_path: Path) -> None:
    result = run(tmp_path, "--unicnn-backend", "torch", "-k", "relu/")
    assert result.returncode == 5  # nothing is left to run
    assert "deselected" in result.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["in-one-process", "in-two-processes"])
def test_what_is_recorded_is_found_to_be_the_same_bytes(workers: tuple[str, ...], tmp_path: Path) -> None:
    first = run(tmp_path, "-k", "linear/", "--unicnn-record", "before.safetensors", *workers)
    assert first.returncode == 0, first.stdout
    assert [path.name for path in tmp_path.glob("*.safetensors*")] == ["before.safetensors"]
    second = run(tmp_path, "-k", "linear/", "--unicnn-against", "before.safetensors", *workers)
    assert second.returncode == 0, second.stdout
    line = next(line for line in second.stdout.splitlines() if " against " in line)
    same, total = line.rpartition(": ")[2].split(" arrays")[0].split(" of ")
    assert same == total
    assert int(total) > 50


def test_a_record_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    tmp_path.joinpath("old").write_text("nothing", encoding="utf-8")
    result = run(tmp_path, "--unicnn-against", "old")
    assert result.returncode == 4
    assert "not a record of conformance results" in result.stderr


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import unicnn.conformance.plugin, sys; assert not {'numpy', 'rich', 'unicnn.program'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
