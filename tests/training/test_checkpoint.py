"""Checkpoints: what is loaded is what was saved, damage is noticed, and nothing that ends a save loses an earlier one."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save as serialised

from unicnn.errors import CheckpointError
from unicnn.training import checkpoint as module
from unicnn.training.checkpoint import Checkpoint, load, save, saved

from .calls import Calls
from .killing import WAYS, found, problem, same, state

ROOT = Path(__file__).parents[2]
NUMBERS = np.random.default_rng(5)
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: thousands of syncs would wait for a disk that others use, and show no more."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def tensors_of(path: Path) -> Path:
    return path.with_name(json.loads(path.read_text())["tensors"]["file"])


def run(*arguments: object, before: tuple[str, ...] = ()) -> Any:
    """Return what killing.py prints."""
    command = [*before, sys.executable, "-m", "tests.training.killing", *map(str, arguments)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# What is loaded


ARRAYS = {
    "float32": NUMBERS.standard_normal((3, 4, 5)).astype(np.float32),
    "float64": NUMBERS.standard_normal((7,)),
    "float16": NUMBERS.standard_normal((2, 3)).astype(np.float16),
    "int64-at-its-ends": np.array([np.iinfo(np.int64).min, -1, 0, np.iinfo(np.int64).max]),
    "uint8": np.arange(256, dtype=np.uint8).reshape(16, 16),
    "bool": np.array([[True, False], [False, True]]),
    "no-axes-float32": np.array(1.5, np.float32),
    "no-axes-int64": np.array(-3),
    "empty": np.zeros(0, np.float32),
    "empty-with-three-axes": np.zeros((2, 0, 3), np.int64),
    "infinities-zeros-and-subnormals": np.array([np.inf, -np.inf, 0.0, -0.0, 5e-324, -1e-310]),
    "NaNs-with-payloads": np.array([0x7FF8000000000001, 0xFFF8000000ABCDEF, 0x7FF0000000000001], np.uint64).view(np.float64),
    "float32-NaNs-with-payloads": np.array([0x7FC00001, 0xFFC0ABCD, 0x7F800001], np.uint32).view(np.float32),
    "transposed": NUMBERS.standard_normal((4, 6)).T,
    "with-a-negative-stride": np.arange(10, dtype=np.float32)[::-2],
    "broadcast": np.broadcast_to(np.float32(2.5), (3, 3)),
    "larger-than-a-piece": np.arange(module._CHUNK // 4 + 3, dtype=np.float32),
}


@pytest.mark.parametrize("array", [pytest.param(array, id=name) for name, array in ARRAYS.items()])
def test_an_array_comes_back_bit_for_bit(array: np.ndarray[Any, Any], tmp_path: Path) -> None:
    save(Checkpoint(1, {"a": array, "b": np.ones(3)}, {}), tmp_path)
    loaded, refused = load(tmp_path)
    assert set(loaded.arrays) == {"a", "b"}
    assert same(loaded.arrays["a"], np.ascontiguousarray(array).reshape(array.shape))
    assert refused == ()


def test_all_arrays_and_the_document_come_back_together(tmp_path: Path) -> None:
    document = {"seed": 3, "rate": 0.1, "tiny": 5e-324, "none": None, "on": True, "list": [1, [2.5, "ü\n\0\ud800"], {}], "": {"é": []}}
    arrays = {**ARRAYS, "": np.ones(2), 'ü "quoted"/\n': np.zeros(1)}
    path = save(Checkpoint(123, arrays, document), tmp_path / "made" / "here")
    loaded, _ = load(path)
    assert loaded.step == 123
    assert loaded.document == document
    assert list(loaded.document) == list(document)
    assert {name: array.tobytes() for name, array in loaded.arrays.items()} == {name: array.tobytes() for name, array in arrays.items()}
    assert all(array.flags.writeable for array in loaded.arrays.values())


def test_a_checkpoint_may_hold_no_arrays(tmp_path: Path) -> None:
    save(Checkpoint(0, {}, {"seed": 1}), tmp_path)
    assert (load(tmp_path)[0].arrays, load(tmp_path)[0].document) == ({}, {"seed": 1})


def test_tuples_come_back_as_lists(tmp_path: Path) -> None:
    save(Checkpoint(0, {}, {"shape": (1, (2, 3))}), tmp_path)
    assert load(tmp_path)[0].document == {"shape": [1, [2, 3]]}


def test_the_arrays_are_a_file_that_the_safetensors_library_reads_aligned(tmp_path: Path) -> None:
    path = tensors_of(save(Checkpoint(1, ARRAYS, {}), tmp_path))
    assert {name: array.tobytes() for name, array in load_file(path).items()} == {name: array.tobytes() for name, array in ARRAYS.items()}
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert all((8 + length + header[name]["data_offsets"][0]) % array.itemsize == 0 for name, array in ARRAYS.items())


def test_the_json_states_the_name_size_and_digest_of_the_arrays(tmp_path: Path) -> None:
    path = save(state(123), tmp_path)
    stated = json.loads(path.read_text())
    content = (tmp_path / stated["tensors"]["file"]).read_bytes()
    assert path.name == "checkpoint-00000123.json"
    assert re.fullmatch(r"checkpoint-00000123-[0-9a-f]{8}\.safetensors", stated["tensors"]["file"])
    assert (stated["format"], stated["version"], stated["step"]) == ("unicnn checkpoint", 1, 123)
    assert (stated["tensors"]["bytes"], stated["tensors"]["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


# Which is loaded, and which are kept


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


# Damage


def lengths(size: int) -> list[int]:
    """Return lengths shorter than `size`: the first, the last, and some between."""
    return sorted({*range(min(12, size)), *range(max(0, size - 12), size), *(size * part // 40 for part in range(40))})


def pair(folder: Path) -> tuple[Path, Path]:
    """Save steps 1 and 2, and return the files of step 2."""
    save(state(1, size=50), folder)
    path = save(state(2, size=50), folder)
    return path, tensors_of(path)


@pytest.mark.parametrize("which", [pytest.param(0, id="json"), pytest.param(1, id="tensors")])
def test_a_truncated_file_is_refused_and_the_previous_checkpoint_loaded(which: int, tmp_path: Path) -> None:
    file = pair(tmp_path)[which]
    content = file.read_bytes()
    for length in lengths(len(content)):
        file.write_bytes(content[:length])
        loaded, refused = load(tmp_path)
        assert (loaded.step, problem(loaded)) == (1, ""), length
        assert len(refused) == 1
        assert re.match(rf"{file.name}: .*truncated or damaged\.$|{file.name}: its SHA-256 is not the one", refused[0]), refused
    file.write_bytes(content + b"\n")
    assert load(tmp_path)[0].step == 1
    file.write_bytes(content)
    assert load(tmp_path)[0].step == 2


@pytest.mark.parametrize("which", [pytest.param(0, id="json"), pytest.param(1, id="tensors")])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF], ids=lambda flip: f"bits-{flip:02x}")
def test_a_flipped_byte_is_refused(which: int, flip: int, tmp_path: Path) -> None:
    file = pair(tmp_path)[which]
    content = bytearray(file.read_bytes())
    positions = range(len(content)) if which == 0 else lengths(len(content))
    assert len(positions) > 50
    for position in positions:
        content[position] ^= flip
        file.write_bytes(content)
        loaded, refused = load(tmp_path)
        assert (loaded.step, len(refused)) == (1, 1), position
        assert refused[0].startswith("checkpoint-00000002"), refused
        content[position] ^= flip
    file.write_bytes(content)
    assert load(tmp_path)[0].step == 2


def restated(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a .json says, and make its own SHA-256 right again."""
    content = json.loads(path.read_text())
    del content["sha256"]
    change(content)
    path.write_bytes(module._text(content))


def test_a_changed_array_is_reported_by_its_digest(tmp_path: Path) -> None:
    path, tensors = pair(tmp_path)
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert load(tmp_path)[1] == (
        f"{tensors.name}: its SHA-256 is not the one that {path.name} states; it has been damaged or changed since it was written.",
    )


def outside(content: dict[str, Any]) -> None:
    content["tensors"]["file"] = "../" + content["tensors"]["file"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            lambda c: c.update(version=2), "has version 2 of the format, and this unicnn reads version 1. Install", id="newer-version"
        ),
        pytest.param(lambda c: c.update(version=0), "has version 0 of the format, which there never was", id="version-0"),
        pytest.param(lambda c: c.update(version="1"), "has version '1' of the format, which there never was", id="version-as-text"),
        pytest.param(lambda c: c.update(format="other"), "does not state the format 'unicnn checkpoint'", id="another-format"),
        pytest.param(lambda c: c.update(step=3), "is not called as the checkpoint of its step 3", id="another-step"),
        pytest.param(lambda c: c.update(step=2.0), "is not called as the checkpoint of its step 2.0", id="step-as-a-fraction"),
        pytest.param(lambda c: c.pop("step"), "is not called as the checkpoint of its step None", id="no-step"),
        pytest.param(lambda c: c.pop("document"), "does not state a document", id="no-document"),
        pytest.param(lambda c: c.update(document=[]), "does not state a document", id="document-as-a-list"),
        pytest.param(lambda c: c.pop("tensors"), "does not state a document and the file", id="no-tensors"),
        pytest.param(outside, "tensors; it is not a checkpoint", id="tensors-in-another-folder"),
        pytest.param(lambda c: c["tensors"].update(file=7), "tensors; it is not a checkpoint", id="tensors-as-a-number"),
        pytest.param(lambda c: c["tensors"].update(bytes="9"), "tensors; it is not a checkpoint", id="size-as-text"),
        pytest.param(
            lambda c: c["tensors"].update(file="checkpoint-00000002-00000000.safetensors"),
            "cannot be read (No such file or directory), and checkpoint-00000002.json needs it",
            id="tensors-that-are-not-there",
        ),
    ],
)
def test_a_json_that_says_something_else_is_refused(change: Callable[[dict[str, Any]], object], reason: str, tmp_path: Path) -> None:
    path, _ = pair(tmp_path)
    restated(path, change)
    loaded, refused = load(tmp_path)
    assert loaded.step == 1
    assert len(refused) == 1
    assert reason in refused[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b"", "is not complete JSON", id="nothing"),
        pytest.param(b"\xff\xfe\x00", "is not complete JSON", id="not-text"),
        pytest.param(b"[" * 100_000, "is not complete JSON (", id="nested-too-deeply"),
        pytest.param(b"[]", "does not state the format", id="a-list"),
        pytest.param(b'{"format": "unicnn checkpoint", "version": 1, "x": NaN}', "holds what no checkpoint does", id="a-NaN"),
        pytest.param(b'{"format": "unicnn checkpoint", "version": 1}', "its SHA-256 is not the one", id="no-digest"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: bytes, reason: str, tmp_path: Path) -> None:
    path, _ = pair(tmp_path)
    path.write_bytes(text)
    loaded, refused = load(tmp_path)
    assert loaded.step == 1
    assert f"{path.name}: {reason}" in refused[0]


HUGE = {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
UNKNOWN = {"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param((1 << 60).to_bytes(8, "little") + b"{}", id="a-header-of-2-to-the-60"),
        pytest.param((2).to_bytes(8, "little") + b"[]", id="a-header-that-is-a-list"),
        pytest.param(len(json.dumps(HUGE)).to_bytes(8, "little") + json.dumps(HUGE).encode() + b"\0" * 8, id="arrays-beyond-the-end"),
        pytest.param(len(json.dumps(UNKNOWN)).to_bytes(8, "little") + json.dumps(UNKNOWN).encode() + b"\0" * 2, id="a-dtype-NumPy-lacks"),
        pytest.param(serialised({"a": np.ones(9)}) + b"\0", id="more-than-the-header-says"),
    ],
)
def test_tensors_with_a_right_digest_and_a_wrong_header_are_refused(content: bytes, tmp_path: Path) -> None:
    path, tensors = pair(tmp_path)
    tensors.write_bytes(content)
    restated(path, lambda c: c["tensors"].update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    loaded, refused = load(tmp_path)
    assert loaded.step == 1
    assert "is not a safetensors file of arrays that NumPy knows" in refused[0]


def test_if_none_is_usable_each_is_named_with_its_reason(tmp_path: Path) -> None:
    paths = [save(state(step), tmp_path, keep=3) for step in (1, 2, 3)]
    gone, short = tensors_of(paths[0]), tensors_of(paths[1])
    gone.unlink()
    short.write_bytes(short.read_bytes()[:-1])
    paths[2].write_text("{}")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: none of its 3 checkpoints can be used. checkpoint-00000003.json: does not state the format")
    assert f"{short.name}: has {short.stat().st_size} bytes, and checkpoint-00000002.json states {short.stat().st_size + 1};" in message
    assert f"{gone.name}: cannot be read (No such file or directory), and checkpoint-00000001.json needs it." in message
    assert "\n" not in message


# What is not saved


def circle() -> dict[str, Any]:
    table: dict[str, Any] = {}
    table["itself"] = table
    return table


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"document": {"a": {"rates": [0.1, float("nan")]}}}, "step 3: document.a.rates[1] is nan, which JSON", id="a-NaN"),
        pytest.param({"document": {"a": float("-inf")}}, "document.a is -inf, which JSON", id="an-infinity"),
        pytest.param({"document": {"a": np.ones((9, 9))}}, "document.a is of type ndarray, which JSON", id="an-array-in-the-document"),
        pytest.param({"document": {"a": {1: 2}}}, "document.a is a table with keys that are not strings", id="a-number-as-a-key"),
        pytest.param({"document": {"a": 10**400}}, "document.a is of type int", id="an-integer-of-400-digits"),
        pytest.param({"document": circle()}, "document.itself lies in itself", id="a-table-in-itself"),
        pytest.param({"document": [1]}, "document is of type list, but must be a table", id="a-list-as-the-document"),
        pytest.param({"step": -1}, "the step of a checkpoint is -1", id="a-negative-step"),
        pytest.param({"step": True}, "the step of a checkpoint is True", id="a-truth-as-the-step"),
        pytest.param({"step": 1.0}, "the step of a checkpoint is 1.0", id="a-fraction-as-the-step"),
        pytest.param({"arrays": {"a": np.array(["x"])}}, "'a' is of dtype <U1, which safetensors cannot keep", id="text-in-an-array"),
        pytest.param({"arrays": {"a": np.array([print], object)}}, "'a' is of dtype object", id="objects-in-an-array"),
        pytest.param({"arrays": {"a": np.ones(2, ">f4")}}, "'a' is of dtype >f4", id="another-byte-order"),
        pytest.param({"arrays": {"a": [1.0]}}, "'a' is of type list", id="a-list-for-an-array"),
        pytest.param({"arrays": {"__metadata__": np.ones(2)}}, "an array is called '__metadata__'", id="a-name-that-is-taken"),
        pytest.param({"arrays": {"\ud800": np.ones(2)}}, "an array is called '\\ud800'", id="a-name-that-is-not-Unicode"),
        pytest.param({"arrays": {3: np.ones(2)}}, "an array is called 3", id="a-number-as-a-name"),
    ],
)
def test_what_could_not_be_read_again_is_refused_before_anything_is_written(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        save(Checkpoint(**({"step": 3, "arrays": {}, "document": {}} | changes)), tmp_path / "new")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("keep", [0, -1, 1.5, True])
def test_fewer_than_one_cannot_be_kept(keep: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="keep is"):
        save(state(1), tmp_path, keep=keep)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "below"):
        with pytest.raises(CheckpointError, match=r"cannot be written \((File exists|Not a directory)\)\. Choose a folder, not a file\."):
            save(state(1), folder)
    for asked in (load, saved):
        with pytest.raises(CheckpointError, match=r"cannot be listed \(Not a directory\)"):
            asked(file)
    assert file.read_text() == "mine"


def test_the_path_of_a_json_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be read \(No such file or directory\)"):
        load(tmp_path / "checkpoint-00000001.json")


# What the system refuses


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


SITUATIONS = [
    pytest.param(0, 1, id="first"),
    pytest.param(2, 3, id="next"),
    pytest.param(2, 2, id="same-step"),
    pytest.param(2, 1, id="earlier-step"),
]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
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
        with Calls(refusing(at, code)).between(module) as calls:
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

    with Calls(interrupt).between(module), pytest.raises(KeyboardInterrupt):
        save(state(2), tmp_path)
    assert names(tmp_path) == before


# What a dead writer leaves behind


def left(folder: Path, writer: str, *, old: bool = False) -> Path:
    path = folder / f"checkpoint-00000003-0123abcd.safetensors.{writer}.tmp"
    path.write_bytes(b"half")
    if old:
        os.utime(path, (time.time() - 2 * module._ABANDONED,) * 2)
    return path


def dead_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize(
    ("writer", "old", "stays"),
    [
        pytest.param(lambda: f"{module._PLACE}-{dead_process()}-00000000", False, False, id="of-a-dead-process-goes"),
        pytest.param(lambda: f"{module._PLACE}-{os.getppid()}-00000000", False, True, id="of-a-living-process-stays"),
        pytest.param(lambda: f"{module._PLACE}-{os.getppid()}-00000000", True, True, id="of-a-slow-living-process-stays"),
        pytest.param(lambda: f"{module._PLACE}-{os.getpid()}-{module._INSTANCE}", False, True, id="of-another-thread-stays"),
        pytest.param(lambda: f"{module._PLACE}-{os.getpid()}-00000000", False, False, id="of-an-earlier-process-of-the-same-number-goes"),
        pytest.param(lambda: f"{module._PLACE}-9999999999-00000000", False, False, id="of-a-number-no-process-can-have-goes"),
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
    left(tmp_path, f"{module._PLACE}-{os.getppid() if alive else dead_process()}-00000000")
    save(state(step), tmp_path)
    assert arrays.exists() is alive
    assert load(tmp_path)[0].step == step


# Processes that are killed


@forking
def test_after_a_kill_at_any_moment_all_that_was_saved_is_there(tmp_path: Path) -> None:
    outcomes = run("at-random", tmp_path, "sound", 80, 1)
    assert len(outcomes) == 80
    assert all(outcome["killed"] for outcome in outcomes)
    assert [outcome for outcome in outcomes if outcome["problem"]] == []
    # The kills have met what they are to meet: saves at work, and saves that had returned.
    assert sum(outcome["inside"] for outcome in outcomes) >= 40
    assert sum(outcome["saves"] for outcome in outcomes) >= 20
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
    assert (met.count("os.replace"), met.count("os.fsync")) == (2, 4)
    for outcome in outcomes:
        assert not any(name.endswith(".tmp") for name in outcome["files"]), outcome
        assert len(outcome["files"]) in (2, 4, 6), outcome
        assert len(outcome["files"]) == 2 * len([name for name in outcome["files"] if name.endswith(".json")]), outcome
    newest = max(earlier, step)
    assert {outcome["loaded"] for outcome in outcomes} == ({None, step} if not earlier else {earlier, newest})


@forking
def test_a_naive_writer_is_caught_by_kills_at_random(tmp_path: Path) -> None:
    outcomes = run("at-random", tmp_path, "naive", 40, 1)
    assert sum(bool(outcome["problem"]) for outcome in outcomes) >= 3


@forking
@pytest.mark.parametrize("torn", ["whole", "torn"])
def test_a_naive_writer_is_caught_by_kills_at_each_call(torn: str, tmp_path: Path) -> None:
    outcomes = run("at-each-call", tmp_path / "here", "naive", 2, torn, 3)
    assert sum(bool(outcome["problem"]) for outcome in outcomes) >= 5
    assert outcomes[-1]["problem"] == ""


# Several writers


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


# A power cut


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
        with Calls(before).between(module):
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
        monkeypatch.setattr(module, "_sync", lambda folder: None)
    else:
        real = Disk.before

        def deaf(disk: Disk, count: int, name: str, arguments: tuple[Any, ...]) -> None:
            if name != "os.fsync" or os.path.isdir(f"/proc/self/fd/{arguments[0]}"):
                real(disk, count, name, arguments)

        monkeypatch.setattr(Disk, "before", deaf)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert len(cuts(folder, tmp_path / "there", (2, 2, 3))) > 3
