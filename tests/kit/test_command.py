"""``unicnn conformance``: a scorecard, JSON, records, and one paragraph for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unicnn.conformance import running
from unicnn.conformance.cases import CASES
from unicnn.conformance.kit import FAILED, PASSED, Verdict
from unicnn.conformance.record import Record, changes, told
from unicnn.conformance.running import Order
from unicnn.conformance.scorecard import Scorecard, lines


def unicnn(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unicnn.cli", "conformance", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_a_scorecard_and_exit_code_0() -> None:
    result = unicnn("--backend", "numpy", "--case", "linear/*")
    assert result.returncode == 0, result.stderr
    assert "NumPy" in result.stdout
    assert "conforms: " in result.stdout
    assert "Traceback" not in result.stderr


def test_json_on_standard_output_is_json_alone() -> None:
    result = unicnn("--backend", "numpy", "--case", "max_pool2d/zeros-*", "--json", "-")
    card = json.loads(result.stdout)
    assert card["conforms"] is True
    assert {row["case"] for row in card["cases"]} == {"max_pool2d/zeros-minus-first/special", "max_pool2d/zeros-plus-first/special"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "nump"), "There is no backend called 'nump'. Did you mean 'numpy'?"),
        (("--backend", "numpy", "--level", "exactly"), "There is no level called 'exactly'. Did you mean 'exact'?"),
        (("--backend", "numpy", "--case", "conv3d/*"), "matches 'conv3d/*'. Ids look like conv2d/"),
        (("--backend", "numpy", "--device", "tpu"), "NumPy cannot use the device 'tpu' here"),
        (("--backend", "numpy", "--against", "none.safetensors"), "not a record of conformance results"),
    ],
    ids=["backend", "level", "case", "device", "record"],
)
def test_bad_input_is_one_paragraph_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = unicnn(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_record_is_compared_with_itself(tmp_path: Path) -> None:
    first = unicnn("--backend", "numpy", "--case", "elu/*", "--level", "bounded", "--record", "r", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    second = unicnn("--backend", "numpy", "--case", "elu/*", "--level", "bounded", "--against", "r", folder=tmp_path)
    assert "arrays are the same bytes" in second.stdout


def test_a_changed_record_names_the_case_and_the_size_of_the_change() -> None:
    array = np.linspace(1, 2, 8, dtype=np.float32)
    moved = array.copy()
    moved[3] += np.spacing(np.float32(2)) * 2
    before, after = (Record("A 1", "here", {"conv2d/x/bounded|the output": value}) for value in (array, moved))
    (change,) = changes(before, after)
    assert (change.case, change.differ, change.size, change.ulps) == ("conv2d/x/bounded", 1, 8, 2.0)
    assert told(before, after)[1:] == ["  conv2d: 1 of 1 differ", "  conv2d/x/bounded, the output: 1 of 8 elements, up to 2 ulps"]
    assert changes(before, before) == []


def test_a_framework_that_ends_its_process_costs_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [case for case in CASES if case.op == "relu" and case.level == "exact"]
    monkeypatch.setenv("UNICNN_TEST_ABORT", chosen[1].id)
    monkeypatch.setattr(running, "_work", _aborting)
    verdicts = running.run(chosen, Order("numpy"), jobs=1)
    assert [item.outcome for item in verdicts] == [PASSED, FAILED, *[PASSED] * (len(chosen) - 2)]
    assert "the framework ended the process" in verdicts[1].detail


def _aborting(pipe: Any, order: Order) -> None:
    """Work, but end the process at one case, as TensorFlow has been seen to do."""
    from unicnn.conformance import kit

    check = kit.check

    def deadly(case: Any, target: Any, **options: Any) -> Any:
        if case.id == os.environ["UNICNN_TEST_ABORT"]:
            os._exit(134)
        return check(case, target, **options)

    running.check = deadly  # type: ignore[attr-defined]
    _work(pipe, order)


_work = running._work


def test_the_scorecard_counts_by_level_and_names_what_failed() -> None:
    verdicts = (Verdict("a/b/exact-x", "exact", "a", PASSED), Verdict("a/c/bounded-x", "bounded", "a", FAILED, "is off", 3.0))
    text = "\n".join(lines(Scorecard("Framework 1, cpu", verdicts)))
    assert "failed: a/c/bounded-x: is off" in text
    assert text.endswith("Framework 1, cpu does not conform: 1 of 2 cases fail.")
