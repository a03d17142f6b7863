"""Both sides of a benchmark compute the same, and what was measured becomes a table. How fast anything is, is not tested."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from benchmarks import duel, host, report
from benchmarks.contestants import contestant
from benchmarks.estimate import difference, ratio
from benchmarks.record import Machine, Record
from benchmarks.rows import Command, Row, rows
from benchmarks.task import Array, Task, data

TASKS = [Task("lenet", 2), Task("lenet", 2, gradients=True), Task("lenet", 2, training=True), Task("resnet18", 1)]
MACHINE = Machine("a processor", 2, "2024-01-01 00:00 UTC", 0.1, 1.9, {"unicnn": "0.1.0"})


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


def arrays(name: str, task: Task) -> dict[str, Array]:
    return host.results(contestant(name, task, data(task)))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.title)
def test_a_network_written_by_hand_computes_the_same(task: Task, backend: str) -> None:
    theirs = {row.ours: row.theirs for row in rows() if isinstance(row, Row)}.get(f"unicnn-{backend}")
    if theirs is None:
        pytest.skip(f"{backend} is not measured")
    needs(theirs)
    found = arrays(f"unicnn-{backend}", task)
    duel.check_equal(found, arrays(theirs, task))
    assert ("conv1.weight" in found, "input" in found) == (task.gradients or task.training, task.gradients)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.title)
def test_identical_numerics_compute_the_same_up_to_rounding(task: Task, backend: str) -> None:
    duel.check_equal(arrays(f"unicnn-{backend}-identical", task), arrays(f"unicnn-{backend}", task))


def test_keras_in_a_process_of_its_own_computes_the_same() -> None:
    needs("keras")
    needs("torch")
    with duel.hosted(TASKS[0], ["keras", "torch"], {"KERAS_BACKEND": "torch"}, apart=False) as (keras, torch):
        duel.check_equal(keras.arrays(), torch.arrays())


def test_sides_that_differ_are_found() -> None:
    ones, ramp = np.ones(3, np.float32), np.arange(3, dtype=np.float32)
    duel.check_equal({"y": ramp}, {"y": ramp * (1 + 1e-6)})
    with pytest.raises(duel.DifferentError, match="differs by"):
        duel.check_equal({"y": ramp}, {"y": ramp * 1.001})
    with pytest.raises(duel.DifferentError, match="differs by"):
        duel.check_equal({"y": ramp * np.nan}, {"y": ramp})
    with pytest.raises(duel.DifferentError, match="is constant"):
        duel.check_equal({"y": ones}, {"y": ones})
    with pytest.raises(duel.DifferentError, match="shapes"):
        duel.check_equal({"y": ramp}, {"y": ramp[:2]})
    with pytest.raises(duel.DifferentError, match="different things: z"):
        duel.check_equal({"y": ramp}, {"y": ramp, "z": ramp})


def test_the_sides_take_turns_in_an_order_that_favours_none() -> None:
    order: list[str] = []
    duel.alternate(lambda: order.append("a"), lambda: order.append("b"), seconds=0)
    assert "".join(order).startswith("abbaab")
    assert order.count("a") == order.count("b") >= duel.FEWEST_TURNS


def test_estimates_are_of_medians_and_have_intervals() -> None:
    times = [1.0, 2.0, 3.0, 4.0, 100.0]
    same = ratio(times, times)
    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert difference([4.0, 5.0, 6.0], [1.0, 1.0, 1.0]).value == 4
    spread = ratio(times, times[::-1])
    assert spread.low < spread.value == 1 < spread.high


def record(**changes: object) -> Record:
    times = {"ours": (0.001, 0.0011), "theirs": (0.002, 0.0022), "ours_cpu": (0.002, 0.002), "theirs_cpu": (0.004, 0.004)}
    return Record("LeNet, batch 1", "unicnn torch", "torch eager", **(times | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, ""),
        ({"target": 1.05}, "met"),
        ({"target": 0.4}, "missed"),
        ({"target": 1.05, "ours": (0.001, 0.0025)}, "met?"),
        ({"target": 1.05, "ours": (0.0018, 0.0028)}, "missed?"),
        ({"unit": "seconds", "target": -0.01}, "missed"),
        ({"problem": "torch is not installed"}, "not measured: torch is not installed"),
    ],
)
def test_a_verdict_says_whether_the_target_is_met(changes: dict[str, object], verdict: str) -> None:
    assert record(**changes).verdict() == verdict


def test_recorded_times_become_a_table() -> None:
    records = [
        record(target=1.05),
        record(target=1.0, alone=0.512),
        Record("processor time", "unicnn --help", "python -c pass", 0.3, "seconds", (0.21, 0.21), (0.01, 0.01)),
        record(problem="[torch] is | gone"),
    ]
    kept = [Record(**item) for item in json.loads(json.dumps([asdict(item) for item in records]))]
    assert [report.cells(item) for item in kept] == [report.cells(item) for item in records]
    console = Console(width=160)
    with console.capture() as shown:
        console.print(report.table(kept))
    assert all(text in shown.get() for text in ("unicnn torch", "0.50 [0.50, 0.50]", "+0.20 s [0.20, 0.20]", "met", "[torch] is | gone"))
    page = report.markdown(kept, MACHINE)
    assert all(
        text in page for text in ("| LeNet, batch 1 | unicnn torch | 1.050 |", "0.51 if each", "a processor, 2 cores", "unicnn 0.1.0")
    )
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(records)
    assert {line.count("|") for line in lines} == {len(report.COLUMNS) + 1}


def test_every_row_has_words_for_itself() -> None:
    named = [(row.case, row.measured, row.against) for row in rows()]
    assert len(set(named)) == len(named)
    assert [row for row in rows() if isinstance(row, Command)]
