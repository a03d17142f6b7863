"""Damaged checkpoints: each is noticed, its reason said, and the one before it loaded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as serialised

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint import files, load, save

from .folders import pair, tensors_of
from .killing import problem, state


def lengths(size: int) -> list[int]:
    """Return lengths shorter than `size`: the first, the last, and some between."""
    return sorted({*range(min(12, size)), *range(max(0, size - 12), size), *(size * part // 40 for part in range(40))})


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
    path.write_bytes(files.text_of(content))


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
