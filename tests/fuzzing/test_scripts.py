"""The scripts of reproductions, for every op on every backend: they run without unicnn and find a right lowering right."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from unicnn import files
from unicnn.conformance.fuzzing.script import mask, script, tensors
from unicnn.conformance.fuzzing.spot import Fault
from unicnn.ops import VOCABULARY

from .spots import SPOTS

# All scripts of a backend in one process, for a framework takes seconds to import. unicnn cannot be imported in it.
RUNNER = """
import contextlib, io, json, runpy, sys, traceback
sys.modules["unicnn"] = None
results = {}
for path in sys.argv[1:]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(path, run_name="__main__")
            code = "no exit"
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    results[path.split("/")[-2]] = [code, printed.getvalue()]
print(json.dumps(results))
"""


@cache
def texts(backend: str) -> dict[str, str]:
    """Return the script of every spot on a backend."""
    faults = {name: Fault(backend, "native", type(spot.op).__name__, "output") for name, spot in SPOTS.items()}
    return {name: script(faults[name], spot, None, tensors(spot, mask(spot)), "Nothing is wrong.") for name, spot in SPOTS.items()}


@cache
def ran(backend: str) -> dict[str, Any]:
    """Return the exit code and the output of every script on a backend."""
    with TemporaryDirectory() as folder:
        paths = []
        for name, text in texts(backend).items():
            where = Path(folder) / name
            where.mkdir()
            files.save_weights(tensors(SPOTS[name], mask(SPOTS[name])), where / "tensors.safetensors")
            paths.append(where / "reproduce.py")
            paths[-1].write_text(text, encoding="utf-8")
        run = subprocess.run([sys.executable, "-c", RUNNER, *map(str, paths)], capture_output=True, text=True, timeout=1200, check=False)
    assert run.returncode == 0, run.stderr
    results: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return results


def test_every_op_that_computes_has_a_script() -> None:
    lowered = {op.lowering() for op in VOCABULARY.values() if not op.__dict__.get("vanishes") or op.masked}
    assert lowered == {name.partition("-")[0] for name in SPOTS}


@pytest.mark.parametrize("name", SPOTS)
def test_the_script_runs_alone_and_is_within_bounds(name: str, backend: str) -> None:
    code, printed = ran(backend)[name]
    assert code == 0, f"{code}\n{printed}\n{texts(backend)[name]}"
    assert printed.rstrip().endswith("is right")
    results = [line for line in printed.splitlines() if "largest error" in line]
    assert len(results) == 1 + len(learned(name))


def learned(name: str) -> list[str]:
    """Return the operands that have gradients."""
    return [
        key for key in tensors(SPOTS[name], mask(SPOTS[name])) if key.startswith("expected.grad_") and key.split("_")[-1] not in UNLEARNED
    ]


UNLEARNED = ("mean", "var", "mask", "target")


@pytest.mark.parametrize("name", SPOTS)
def test_the_script_is_plain(name: str, backend: str) -> None:
    text = texts(backend)[name]
    assert "unicnn" not in text
    assert "refuses" not in text
    assert "# fmt" not in text
    assert "noqa" not in text
    assert max(map(len, text.splitlines())) <= 160
    assert text.count('"""') % 2 == 0


def test_a_script_shows_only_what_ran(backend: str) -> None:
    text = texts(backend)["relu"]
    assert len(text.splitlines()) < 150
    assert "conv2d" not in text
