"""Checkpoints: which of a folder's is loaded, and which a save keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint import Checkpoint, load, save, saved

from .folders import names, tensors_of
from .killing import WAYS, found, state


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_are_kept_and_the_newest_is_loaded(keep: int, tmp_path: Path) -> None:
    for step in range(8):
        save(state(step), tmp_path, keep=keep)
        steps = tuple(range(max(0, step + 1 - keep), step + 1))
        assert saved(tmp_path) == steps
        assert len(names(tmp_path)) == 2 * len(steps)
        assert load(tmp_path)[0].step == step


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 1_000_000_000):
        save(state(0), tmp_path)
        save(Checkpoint(step, {}, {}), tmp_path, keep=9)
    assert saved(tmp_path) == (0, 99_999_999, 100_000_000, 1_000_000_000)
    assert load(tmp_path)[0].step == 1_000_000_000


def test_one_of_several_is_loaded_by_its_path(tmp_path: Path) -> None:
    paths = [save(state(step), tmp_path) for step in (1, 2)]
    assert [load(path)[0].step for path in paths] == [1, 2]
    paths[0].write_text("")
    with pytest.raises(CheckpointError, match=r"checkpoint-00000001.json: is not complete JSON"):
        load(paths[0])


def test_a_step_saved_again_is_replaced(tmp_path: Path) -> None:
    for who in (1, 2, 3):
        save(state(4, who), tmp_path)
        assert found(WAYS["sound"], tmp_path, 4) == {"loaded": 4, "who": who, "problem": ""}
        assert len(names(tmp_path)) == 2


def test_who_goes_back_loses_neither_the_newer_ones_nor_what_is_saved_then(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        save(state(step), tmp_path)
    save(state(12), tmp_path, keep=1)
    assert saved(tmp_path) == (12, 20, 30)


def test_damaged_ones_do_not_count_among_those_kept(tmp_path: Path) -> None:
    paths = [save(state(step), tmp_path, keep=3) for step in (1, 2, 3)]
    paths[2].write_text(paths[2].read_text()[:-5])
    tensors_of(paths[1]).write_bytes(b"")
    save(state(4), tmp_path, keep=2)
    assert saved(tmp_path) == (1, 2, 3, 4)
    save(state(5), tmp_path, keep=2)
    assert saved(tmp_path) == (4, 5)
    assert len(names(tmp_path)) == 4


def test_an_empty_or_missing_folder_has_no_checkpoint(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert saved(folder) == ()
        with pytest.raises(CheckpointError, match="there is no checkpoint"):
            load(folder)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    others = [
        "model.toml",
        "checkpoint-1.json",
        "checkpoint-00000001.json.bak",
        "checkpoint-000000001.json",
        "weights.safetensors",
        "a.tmp",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    for step in range(5):
        save(state(step), tmp_path)
    assert saved(tmp_path) == (3, 4)
    assert set(others) < set(names(tmp_path))
