"""Checkpoints: what is loaded is what was saved, and what could not be read again is refused before anything is written."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint import Checkpoint, files, load, save, saved

from .folders import names, tensors_of
from .killing import same, state

NUMBERS = np.random.default_rng(5)

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
    "larger-than-a-piece": np.arange(files.CHUNK // 4 + 3, dtype=np.float32),
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
