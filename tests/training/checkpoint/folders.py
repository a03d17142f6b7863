"""What the tests of checkpoints share: what is in a folder, and what a program of its own finds there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unicnn.training.checkpoint import save

from .killing import state

ROOT = Path(__file__).parents[3]
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")

SITUATIONS = [
    pytest.param(0, 1, id="first"),
    pytest.param(2, 3, id="next"),
    pytest.param(2, 2, id="same-step"),
    pytest.param(2, 1, id="earlier-step"),
]


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def tensors_of(path: Path) -> Path:
    return path.with_name(json.loads(path.read_text())["tensors"]["file"])


def pair(folder: Path) -> tuple[Path, Path]:
    """Save steps 1 and 2, and return the files of step 2."""
    save(state(1, size=50), folder)
    path = save(state(2, size=50), folder)
    return path, tensors_of(path)


def run(*arguments: object, before: tuple[str, ...] = ()) -> Any:
    """Return what killing.py prints."""
    command = [*before, sys.executable, "-m", "tests.training.checkpoint.killing", *map(str, arguments)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
