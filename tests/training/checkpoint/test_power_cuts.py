"""Power cuts while a checkpoint is saved: whatever of it the disk then has, all that was saved is there."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from unicnn.training import checkpoint
from unicnn.training.checkpoint import save, writing

from .calls import Calls
from .killing import WAYS, found, state


class Disk:
    """Hold what a disk is sure to have: the contents that were synced, and the names as of when their folder was.

    Each change of a name since then may be on the disk or not, whichever came first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
        self.names: dict[str, int] = {}
        self.contents: list[bytes | None] = []
        for name, content in self.now.items():
            self.names[name] = len(self.contents)
            self.contents.append(content)
        self.current, self.changes = dict(self.names), list[dict[str, int | None]]()

    def change(self, change: dict[str, int | None]) -> None:
        self.changes.append(change)
        self.current = applied(self.current, [change])

    def before(self, _count: int, name: str, arguments: tuple[Any, ...]) -> None:
        """Take note of a call that is going to succeed."""
        if name == "open" and arguments[1] == "xb":
            self.contents.append(None)
            self.change({Path(arguments[0]).name: len(self.contents) - 1})
        elif name == "os.replace":
            source, target = (Path(each).name for each in arguments)
            self.change({target: self.current[source], source: None})
        elif name == "os.unlink":
            self.change({Path(arguments[0]).name: None})
        elif name == "os.fsync":
            path = Path(os.readlink(f"/proc/self/fd/{arguments[0]}"))
            if path == self.folder:
                self.names, self.changes = self.current, []
            else:
                self.contents[self.current[path.name]] = path.read_bytes()

    def after_a_cut(self, garbage: bytes) -> list[dict[str, bytes]]:
        """Return the contents that the folder may have if the power fails now."""
        # Where all subsets would be too many, only those that lack one change or two.
        least = 0 if len(self.changes) <= 6 else len(self.changes) - 2
        subsets = itertools.chain.from_iterable(
            itertools.combinations(self.changes, count) for count in range(least, len(self.changes) + 1)
        )
        states = [applied(self.names, subset) for subset in subsets]
        return [{name: garbage if (content := self.contents[file]) is None else content for name, file in each.items()} for each in states]


def applied(start: dict[str, int], changes: Any) -> dict[str, int]:
    result: dict[str, int | None] = dict(start)
    for change in changes:
        result |= change
    return {name: file for name, file in result.items() if file is not None}


def cuts(folder: Path, there: Path, steps: tuple[int, ...]) -> list[str]:
    """Cut the power before each call of each save, and return what is wrong with what may be on the disk then."""
    save(state(1, size=50), folder)
    disk, least = Disk(folder), 1
    wrong: list[str] = []
    possible: list[tuple[str, dict[str, bytes]]] = []

    def before(count: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("open", "os.fsync", "os.replace", "os.unlink"):
            possible.extend((f"before {name}, the call {count}", files) for files in disk.after_a_cut(b"\0" * 100))
        disk.before(count, name, arguments)

    for step in steps:
        with Calls(before).between(checkpoint):
            save(state(step, who=step % 3, size=50), folder, keep=1)
        wrong += [f"{where} of saving step {step}: {lost}" for where, files in possible if (lost := loss(there, files, least))]
        least = step
        possible = [("after the last call", files) for files in disk.after_a_cut(b"\0" * 100)]
    assert len(possible) > 1
    return wrong + [f"{where}: {lost}" for where, files in possible if (lost := loss(there, files, least))]


def loss(there: Path, files: dict[str, bytes], least: int) -> str:
    """Return what is wrong with what is loaded from these files."""
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir()
    for name, content in files.items():
        (there / name).write_bytes(content)
    return str(found(WAYS["sound"], there, least)["problem"])


only_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc tells which file is synced")


@only_linux
def test_after_a_power_cut_at_each_call_all_that_was_saved_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert cuts(folder, tmp_path / "there", (2, 2, 3)) == []


@only_linux
@pytest.mark.parametrize("forgotten", ["folders", "files"])
def test_a_writer_that_does_not_sync_is_caught_by_power_cuts(forgotten: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if forgotten == "folders":
        monkeypatch.setattr(writing, "_sync", lambda folder: None)
    else:
        real = Disk.before

        def deaf(disk: Disk, count: int, name: str, arguments: tuple[Any, ...]) -> None:
            if name != "os.fsync" or os.path.isdir(f"/proc/self/fd/{arguments[0]}"):
                real(disk, count, name, arguments)

        monkeypatch.setattr(Disk, "before", deaf)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert len(cuts(folder, tmp_path / "there", (2, 2))) > 3
