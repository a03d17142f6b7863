"""Writing a reproduction: a folder with the description, the numbers, a script and two lines about what was found."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from unicnn import files
from unicnn.conformance.fuzzing import with_unicnn
from unicnn.conformance.fuzzing.generating import Drawn
from unicnn.conformance.fuzzing.inlining import NotInlinable
from unicnn.conformance.fuzzing.script import mask, partner, script, tensors
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.errors import InputError
from unicnn.model import Model
from unicnn.ops.base import snake_case

Array: TypeAlias = np.ndarray[Any, Any]

SCRIPT, NUMBERS, DESCRIPTION, ABOUT = "reproduce.py", "tensors.safetensors", "model.toml", "README.md"
SECONDS = 600


@dataclass(frozen=True)
class Written:
    """Say where a reproduction is, and whether its script shows the fault without unicnn."""

    where: Path
    stands_alone: bool


def write_spot(out: Path, fault: Fault, spot: Spot, backends: Sequence[str]) -> Written:
    """Write the reproduction of a fault that one layer shows, and run its script to see whether it does.

    A fault under identical numerics is one of unicnn's own arithmetic, and its script uses unicnn; so does one for a
    fault that plain code of the framework does not show.
    """
    if fault.level == "native":
        alone = _stand_alone(out, fault, spot, backends)
        if alone is not None:
            return alone
    text = with_unicnn.of_spot(fault, spot, backends)
    return Written(_write(out, fault, spot.model, spot.arrays(), text, _what(spot)), False)


def _stand_alone(out: Path, fault: Fault, spot: Spot, backends: Sequence[str]) -> Written | None:
    """Write a reproduction in the frameworks alone; return None if there can be none, or if it does not show the fault."""
    numbers = tensors(spot, mask(spot))
    try:
        text = script(fault, spot, partner(spot, fault, backends, numbers), numbers, _what(spot))
    except NotInlinable:
        return None
    where = _write(out, fault, spot.model, numbers, text, _what(spot))
    if shows(where):
        return Written(where, True)
    shutil.rmtree(where)
    return None


def write_network(out: Path, fault: Fault, drawn: Drawn, backends: Sequence[str]) -> Written:
    """Write the reproduction of a fault that only a network of several layers shows."""
    numbers = {**drawn.weights, "input": drawn.inputs, "labels": drawn.labels}
    what = f"A network of {len(drawn.model)} layers, of which none shows it alone."
    return Written(_write(out, fault, drawn.model, numbers, with_unicnn.of_network(fault, drawn, backends), what), False)


def _write(out: Path, fault: Fault, model: Model, numbers: dict[str, Array], text: str, what: str) -> Path:
    op = snake_case(fault.op)
    described = files.dumps(model) if model.layers else f'# The loss alone: it takes the input as it is.\nname = "{model.name}"\n'
    digest = hashlib.sha256(described.encode())
    for name, array in sorted(numbers.items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    where = out / f"{fault.backend}-{op}-{digest.hexdigest()[:8]}"
    try:
        where.mkdir(parents=True, exist_ok=True)
        (where / DESCRIPTION).write_text(described, encoding="utf-8")
        (where / SCRIPT).write_text(text, encoding="utf-8")
        (where / ABOUT).write_text(f"{fault}.\n\n{what} `python {SCRIPT}` exits with 1 while it is so.\n", encoding="utf-8")
        files.save_weights(numbers, where / NUMBERS)
    except OSError as error:
        raise InputError(f"{where}: the reproduction cannot be written ({error.strerror}). Choose another folder with --out.") from None
    return where


def _what(spot: Spot) -> str:
    sizes = " and ".join("x".join(map(str, array.shape)) for array in spot.inputs)
    return f"{spot.op!r} on {'values' if len(spot.inputs) > 1 else 'a value'} of shape {sizes}, in {spot.mode}."


def shows(where: Path) -> bool:
    """Run a script, and tell whether it ends by saying that the fault is there."""
    command = [sys.executable, str((where / SCRIPT).resolve())]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=where)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 1 and run.stdout.rstrip().endswith("is wrong")
