"""Several writers of one folder: they do each other no harm, and remove what dead ones have left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from unicnn.training.checkpoint import load, save
from unicnn.training.checkpoint.names import INSTANCE, PLACE
from unicnn.training.checkpoint.removing import ABANDONED

from .folders import forking, names, run
from .killing import WAYS, found, state


@forking
def test_processes_that_save_the_same_steps_into_one_folder_do_each_other_no_harm(tmp_path: Path) -> None:
    outcome = run("together", tmp_path, 3, 25)
    assert outcome["returned"] == [50, 50, 50]
    assert [read for read in outcome["read"] if read["problem"]] == []
    assert len({read["loaded"] for read in outcome["read"]}) > 5, "nothing was read meanwhile"
    assert (outcome["end"]["loaded"], outcome["end"]["problem"]) == (25, "")
    save(state(26), tmp_path)
    assert len(names(tmp_path)) == 4


def test_threads_that_save_the_same_steps_into_one_folder_do_each_other_no_harm(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(who: int) -> None:
        try:
            for step in range(20):
                save(state(step, who, size=500), tmp_path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert found(WAYS["sound"], tmp_path, 19)["problem"] == ""
    save(state(20), tmp_path)
    assert len(names(tmp_path)) == 4


# What a dead writer leaves behind


def left(folder: Path, writer: str, *, old: bool = False) -> Path:
    path = folder / f"checkpoint-00000003-0123abcd.safetensors.{writer}.tmp"
    path.write_bytes(b"half")
    if old:
        os.utime(path, (time.time() - 2 * ABANDONED,) * 2)
    return path


def dead_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize(
    ("writer", "old", "stays"),
    [
        pytest.param(lambda: f"{PLACE}-{dead_process()}-00000000", False, False, id="of-a-dead-process-goes"),
        pytest.param(lambda: f"{PLACE}-{os.getppid()}-00000000", False, True, id="of-a-living-process-stays"),
        pytest.param(lambda: f"{PLACE}-{os.getppid()}-00000000", True, True, id="of-a-slow-living-process-stays"),
        pytest.param(lambda: f"{PLACE}-{os.getpid()}-{INSTANCE}", False, True, id="of-another-thread-stays"),
        pytest.param(lambda: f"{PLACE}-{os.getpid()}-00000000", False, False, id="of-an-earlier-process-of-the-same-number-goes"),
        pytest.param(lambda: f"{PLACE}-9999999999-00000000", False, False, id="of-a-number-no-process-can-have-goes"),
        pytest.param(lambda: "00000000-1-00000000", False, True, id="of-another-machine-stays"),
        pytest.param(lambda: "00000000-1-00000000", True, False, id="of-another-machine-long-ago-goes"),
    ],
)
def test_a_temporary_file(writer: Callable[[], str], old: bool, stays: bool, tmp_path: Path) -> None:
    path = left(tmp_path, writer(), old=old)
    save(state(1), tmp_path)
    assert path.exists() is stays


@pytest.mark.parametrize("alive", [pytest.param(True, id="while-its-writer-lives-stay"), pytest.param(False, id="of-a-dead-writer-go")])
@pytest.mark.parametrize("step", [3, 4])
def test_arrays_without_a_json(step: int, alive: bool, tmp_path: Path) -> None:
    arrays = tmp_path / "checkpoint-00000003-0123abcd.safetensors"
    arrays.write_bytes(b"all")
    left(tmp_path, f"{PLACE}-{os.getppid() if alive else dead_process()}-00000000")
    save(state(step), tmp_path)
    assert arrays.exists() is alive
    assert load(tmp_path)[0].step == step
