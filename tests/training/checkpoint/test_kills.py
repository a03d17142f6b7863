"""Processes that are killed while they save: all that was saved is there, and a naive writer is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from unicnn.training.checkpoint import save

from .folders import SITUATIONS, forking, names, run
from .killing import state


@forking
def test_after_a_kill_at_any_moment_all_that_was_saved_is_there(tmp_path: Path) -> None:
    outcomes = run("at-random", tmp_path, "sound", 80, 1)
    assert len(outcomes) == 80
    assert all(outcome["killed"] for outcome in outcomes)
    assert [outcome for outcome in outcomes if outcome["problem"]] == []
    # The kills have met what they are to meet: saves at work, and saves that had returned, of which each kill awaits up to two.
    assert sum(outcome["inside"] for outcome in outcomes) >= 40
    assert sum(outcome["saves"] for outcome in outcomes) >= 60
    step = outcomes[-1]["loaded"] + 2
    save(state(step), tmp_path)
    assert len(names(tmp_path)) == 4, "something is left behind"


@forking
@pytest.mark.parametrize("torn", ["whole", "torn"])
@pytest.mark.parametrize(("earlier", "step"), SITUATIONS)
def test_after_a_kill_at_each_call_of_the_system_all_that_was_saved_is_there(earlier: int, step: int, torn: str, tmp_path: Path) -> None:
    outcomes = run("at-each-call", tmp_path / "here", "sound", earlier, torn, step)
    assert [outcome for outcome in outcomes if outcome["problem"] or outcome["then"]["problem"]] == []
    assert [outcome["killed"] for outcome in outcomes] == [True] * (len(outcomes) - 1) + [False]
    met = [outcome["at"].split()[1] for outcome in outcomes[:-1]]
    if torn == "torn":
        assert met == ["write"] * 6  # a header, four arrays and a .json
    else:
        assert (met.count("write"), met.count("os.replace"), met.count("os.fsync")) == (6, 2, 4)
    for outcome in outcomes:
        assert not any(name.endswith(".tmp") for name in outcome["files"]), outcome
        assert len(outcome["files"]) in (2, 4, 6), outcome
        assert len(outcome["files"]) == 2 * len([name for name in outcome["files"] if name.endswith(".json")]), outcome
    newest = max(earlier, step)
    assert {outcome["loaded"] for outcome in outcomes} == ({None, step} if not earlier else {earlier, newest})


@forking
def test_a_naive_writer_is_caught_by_kills_at_random(tmp_path: Path) -> None:
    outcomes = run("at-random", tmp_path, "naive", 16, 1)
    assert sum(bool(outcome["problem"]) for outcome in outcomes) >= 3


@forking
@pytest.mark.parametrize(("torn", "least"), [("whole", 5), ("torn", 2)])
def test_a_naive_writer_is_caught_by_kills_at_each_call(torn: str, least: int, tmp_path: Path) -> None:
    outcomes = run("at-each-call", tmp_path / "here", "naive", 2, torn, 3)
    assert sum(bool(outcome["problem"]) for outcome in outcomes) >= least
    assert outcomes[-1]["problem"] == ""
