"""Saves that the system refuses: the earlier checkpoints are as they were, and nothing else is left."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unicnn.errors import CheckpointError
from unicnn.training import checkpoint
from unicnn.training.checkpoint import save, saved

from .calls import Calls
from .folders import SITUATIONS, forking, names, run
from .killing import WAYS, found, state


@forking
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    error = run("unprivileged", tmp_path / "closed")["error"]
    assert "the checkpoint of step 1 cannot be written (Permission denied). Choose a folder that you may write to." in error


@forking
def test_a_limit_on_a_files_size_leaves_the_earlier_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    # The arrays are about 20 000 bytes, the .json about 60 000.
    outcomes = run("limited", tmp_path, 0, 1, 8, 100, 19_999, 20_100, 40_000, 60_000, 70_000)
    for outcome in outcomes[:-1]:
        assert "step 7 cannot be written (File too large). Raise the limit" in outcome["error"], outcome
        assert outcome["unchanged"], outcome
        assert outcome["loaded"] == 1
    assert (outcomes[-1]["error"], outcomes[-1]["loaded"]) == ("", 7)


@forking
def test_a_full_disk_leaves_the_earlier_checkpoints_and_nothing_else(tmp_path: Path) -> None:
    alone = ("unshare", "--mount", "--map-root-user", "sh", "-c")
    mount = 'mount -t tmpfs -o size=512k tmpfs "$0"'
    if not shutil.which("unshare") or subprocess.run([*alone, mount, tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("no disk of its own can be had here")
    outcomes = run("full", tmp_path, before=(*alone, f'{mount} && shift 0 && exec "$@"', str(tmp_path)))
    refused = [outcome for outcome in outcomes if outcome["error"]]
    assert [outcome["step"] for outcome in refused] == list(range(len(outcomes) - len(refused) + 1, len(outcomes) + 1))
    assert len(refused) > 10
    assert all("(No space left on device). Free some space" in outcome["error"] for outcome in refused)
    assert all(outcome["problem"] == "" and outcome["loaded"] == refused[0]["step"] - 1 for outcome in refused)
    assert all(outcome["files"] == outcomes[-len(refused) - 1]["files"] for outcome in refused)


def refusing(at: int, code: int) -> Callable[[int, str, tuple[Any, ...]], None]:
    def before(count: int, _name: str, _arguments: tuple[Any, ...]) -> None:
        if count == at:
            raise OSError(code, os.strerror(code))

    return before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize(("earlier", "step"), SITUATIONS)
def test_an_error_at_any_call_of_the_system_loses_nothing(earlier: int, step: int, code: int, tmp_path: Path) -> None:
    refusals: list[str] = []
    start = tmp_path / "start"
    start.mkdir()
    for each in range(1, earlier + 1):
        save(state(each, size=50), start)
    before = names(start)
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        shutil.copytree(start, folder)
        error = None
        with Calls(refusing(at, code)).between(checkpoint) as calls:
            try:
                save(state(step, who=1, size=50), folder)
            except CheckpointError as refused:
                error = str(refused)
        if len(calls.names) < at:
            break
        name = f"{at} {calls.names[at - 1]}"
        assert [each for each in names(folder) if each.endswith(".tmp")] == [], name
        outcome = found(WAYS["sound"], folder, max(earlier, step) if error is None else earlier or None)
        assert outcome["problem"] == "", name
        if error is not None:
            refusals.append(calls.names[at - 1])
            assert f"step {step} cannot be written ({os.strerror(code)})" in error, name
            assert "\n" not in error
            # Only an error after the last rename, which may not be on the disk then, finds both files in place.
            if calls.names[:at].count("os.replace") < 2 or calls.names[at - 1] == "os.replace":
                assert names(folder) == before, name
        save(state(step + 1, size=50), folder)
        assert found(WAYS["sound"], folder, max(earlier, step + 1))["problem"] == "", name
        assert len(names(folder)) == 2 * len(saved(folder)), name
    assert refusals.count("os.replace") == 2
    assert refusals.count("os.fsync") == 4
    assert {"open", "write", "flush", "close", "os.makedirs", "os.open", "os.close"} <= set(refusals)


def test_an_interruption_leaves_no_temporary_files(tmp_path: Path) -> None:
    save(state(1), tmp_path)
    before = names(tmp_path)

    def interrupt(_count: int, name: str, _arguments: tuple[Any, ...]) -> None:
        if name == "os.replace":
            raise KeyboardInterrupt

    with Calls(interrupt).between(checkpoint), pytest.raises(KeyboardInterrupt):
        save(state(2), tmp_path)
    assert names(tmp_path) == before
