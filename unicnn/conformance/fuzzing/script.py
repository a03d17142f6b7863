"""The script of a reproduction: two frameworks and the exact result, side by side, and nothing of unicnn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.conformance.fuzzing import judging
from unicnn.conformance.fuzzing.inlining import NotInlinable
from unicnn.conformance.fuzzing.section import Section, differentiates, section, variable
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.program import lower

Array: TypeAlias = np.ndarray[Any, Any]

HEAD = '''
"""{title}

{what}

tensors.safetensors holds what goes in, the exact results, computed in float64, and how far from them rounding can take a float32
computation, in whatever order it adds.{beside}

    pip install {install} numpy safetensors
    python reproduce.py

Exits with 1 if {suspect} is wrong, with 0 if it is right.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
'''

TAIL = '''
FRAMEWORKS = {frameworks}
SUSPECT = "{suspect}"
ERROR = {error}  # what it raises, if that is the fault


def judged(found, expected, bound):
    """Return the largest error, the largest error as a multiple of what rounding explains, and in words what is wrong there."""
    if found.shape != expected.shape:
        return np.inf, np.inf, f"the shape is {{found.shape}} and should be {{expected.shape}}"
    with np.errstate(all="ignore"):
        right = (found == expected.astype(found.dtype)) | ~(bound < {overflows!r})  # from there on a sum may overflow
        error = np.where(right, 0, np.abs(found.astype(np.float64) - expected))
        ratio = np.where(right, 0, error / bound)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    place = tuple(int(index) for index in np.unravel_index(ratio.argmax(), ratio.shape))
    return error.max(), ratio.max(), f"at {{place}} it is {{found[place]!s}} and should be {{expected[place]!s}}"


def is_wrong(title, compute, data):
    """Print how far off a framework's results are, and tell whether one is further off than rounding explains."""
    try:
        with np.errstate(all="ignore"):
            found = compute(data)
    except Exception as error:
        if type(error).__name__ != ERROR:
            raise
        print(f"{{title}} raises {{ERROR}}: {{error}}")
        return True
    wrong = False
    for name, array in found.items():
        error, ratio, words = judged(array, data[f"expected.{{name}}"], data[f"bound.{{name}}"])
        print(f"{{title:12}} {{name:14}} largest error {{error:8.2e}}, {{ratio:8.2g}} times what rounding explains")
        if ratio > 1:
            print(f"{{'':12}} {{name:14}} {{words}}")
            wrong = True
    return wrong


def main():
    """Run every framework, and tell whether the one suspected is wrong."""
    data = load_file(Path(__file__).with_name("tensors.safetensors"))
    print(", ".join(f"{{title}} {{version(package)}}" for title, package, _ in FRAMEWORKS))
    wrong = [title for title, _, compute in FRAMEWORKS if is_wrong(title, compute, data)]
    print(f"{{SUSPECT}} is {{'wrong' if SUSPECT in wrong else 'right'}}")
    return int(SUSPECT in wrong)


if __name__ == "__main__":
    sys.exit(main())
'''


def tensors(spot: Spot, mask: Array | None) -> dict[str, Array]:
    """Return what a script needs: the operands, the cotangent, the exact results and their bounds, under its own names."""
    arrays = spot.arrays() | ({} if mask is None else {"mask": mask})
    given = {variable(name): array for name, array in arrays.items()}
    for name, ball in judging.expected(spot, mask).items():
        short = variable(name.replace("gradient of ", "grad_"))
        given[f"expected.{short}"] = np.atleast_1d(np.asarray(ball.value, np.float64))
        given[f"bound.{short}"] = np.atleast_1d(np.broadcast_to(np.asarray(ball.radius, np.float64), ball.shape).copy())
    return given


def mask(spot: Spot) -> Array | None:
    """Return the dropout mask of a spot, which is the same on every backend."""
    name = plugins.usable()[0]
    return judging.mask_of(spot, lower(spot.model, name, weights=spot.parameters)) if spot.op.masked and spot.training else None


def script(fault: Fault, spot: Spot, other: str | None, data: Mapping[str, Array], what: str) -> str:
    """Return the text of reproduce.py for the backend that is suspected and one that is right; raise NotInlinable if it cannot be written."""
    sections = [section(spot, name, data) for name in (fault.backend, other) if name is not None]
    frameworks = "[" + ", ".join(f'("{item.title}", "{item.distribution}", {item.function})' for item in sections) + "]"
    suspect = sections[0].title
    install = " ".join(item.install.removeprefix("pip install ") for item in sections)
    head = HEAD.format(title=_title(fault, suspect), what=what, beside=_beside(sections), install=install, suspect=suspect)
    error = f'"{fault.kind}"' if fault.is_error else "None"
    tail = TAIL.format(frameworks=frameworks, suspect=suspect, error=error, overflows=judging.OVERFLOWS)
    return "\n\n\n".join(part.strip("\n") for part in (head, *(item.text for item in sections), tail)) + "\n"


def _title(fault: Fault, suspect: str) -> str:
    what = f"it raises {fault.kind}" if fault.is_error else f"the {fault.kind} is wrong"
    return f"{fault.op} with {suspect}: {what}."


def _beside(sections: Sequence[Section]) -> str:
    return f" {sections[1].title}, beside it, is right." if len(sections) > 1 else ""


def partner(spot: Spot, fault: Fault, backends: Sequence[str], data: Mapping[str, Array]) -> str | None:
    """Return a backend that is right at a spot, one that differentiates by itself rather than by the rules of the core."""
    right = [name for name in backends if name != fault.backend and not judging.native(spot, name)]
    for name in sorted(right, key=lambda name: not differentiates(name)):
        try:
            section(spot, name, data)
        except NotInlinable:
            continue
        return name
    return None
