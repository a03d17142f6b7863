"""Run the functions of identical numerics over all float32 values: are they near the truth, and monotonic; and a digest of all results.

The reference is NumPy's float64 (longdouble for `rsqrt`, Python's `math.erf` for `erf`), good to about 1 unit in the last
place of float64 or 2^-29 of float32; hence both figures are known up to a handful of results next to the middle of two
float32 values. The digest tells machines apart that compute anything else.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from benchmarks import machine
from unicnn.numerics.identical import elementary, host

Array: TypeAlias = np.ndarray[Any, Any]

CHUNK = 1 << 16  # small enough for the cache of a core
OVERFLOW = 2.0**128
HEADINGS = ("function", "inputs", "largest error in ulps", "at", "not correctly rounded", "steps back", "SHA-256 of the results", "seconds")

erf_values = np.vectorize(math.erf, otypes=[np.float64])


def _erf(x: Array) -> Array:
    y = np.sign(x)
    inside = np.abs(x) < 6
    y[inside] = erf_values(x[inside])
    return y


def _rsqrt(x: Array) -> Array:
    return 1 / np.sqrt(x.astype(np.longdouble))


REFERENCES: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": _erf,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
}
LOWEST = {"log": 2.0**-126, "rsqrt": 2.0**-126, "sqrt": 0.0}

Functions = Annotated[
    list[str] | None, typer.Argument(metavar="[FUNCTION]...", help=f"Some of {', '.join(REFERENCES)}; all of them if none is named.")
]
Stride = Annotated[int, typer.Option(min=1, help="Take one in so many bit patterns only.")]
Processes = Annotated[int, typer.Option(min=1, help="How many functions to run at the same time.")]


@dataclass
class Record:
    """Hold what was found about a function."""

    name: str
    inputs: int = 0
    worst: float = 0.0
    place: float = 0.0
    incorrect: int = 0
    back: int = 0
    last: tuple[bool, Array] | None = None
    digest: Any = field(default_factory=hashlib.sha256)
    seconds: float = 0.0

    def take(self, x: Array, y: Array, truth: Array) -> None:
        """Add float32 results at float32 inputs, and the values they should have."""
        self.inputs += x.size
        self.digest.update(y.tobytes())
        self.back += self._steps_back(bool(x[0] >= 0), y)
        different = y != _rounded(truth)
        self.incorrect += int(different.sum())
        if different.any():
            errors = _ulps(y[different], truth[different])
            largest = int(errors.argmax())
            if errors[largest] > self.worst:
                self.worst, self.place = float(errors[largest]), float(x[different][largest])

    def _steps_back(self, positive: bool, y: Array) -> int:
        """Return how often the results move against the function, the last one before these included; negative inputs fall."""
        before = self.last[1] if self.last is not None and self.last[0] is positive else y[:1]
        self.last = positive, y[-1:]
        low, high = np.concatenate([before, y[:-1]]), y
        return int(((low > high) if positive != (self.name == "rsqrt") else (low < high)).sum())

    def cells(self) -> tuple[str, ...]:
        """Return a row of the table."""
        worst, place = (f"{self.worst:.4f}", f"{self.place!r}") if self.incorrect else ("0.5", "")
        return (self.name, f"{self.inputs:,}", worst, place, f"{self.incorrect:,}", f"{self.back:,}", self.digest, f"{self.seconds:.0f}")


def patterns(lowest: float, stride: int) -> Iterator[Array]:
    """Yield the finite normal float32 values and zero from `lowest` on, in the order of their bit patterns."""
    for sign in (0, 1 << 31):
        for start in range(0, 1 << 31, CHUNK * stride):
            bits = sign + np.arange(start, min(start + CHUNK * stride, 1 << 31), stride)
            magnitude = bits % (1 << 31)
            normal = (magnitude < 0x7F800000) & ((magnitude >= 0x00800000) | (bits == 0))
            x = bits[normal].astype(np.uint32).view(np.float32)
            x = x[x >= lowest]
            if x.size:
                yield x


def _rounded(truth: Array) -> Array:
    """Return values as float32, those below the smallest normal as 0 and -0 as 0."""
    return np.where(np.abs(truth) < host.SMALLEST_NORMAL, 0, truth).astype(np.float32)


def _ulps(y: Array, truth: Array) -> Array:
    """Return the errors in units in the last place of the truth; infinity is taken for the number that would follow the largest."""
    truth = np.clip(truth.astype(np.float64), -OVERFLOW, OVERFLOW)
    unit = np.ldexp(2.0**-24, np.frexp(truth)[1])
    return np.abs(np.clip(y.astype(np.float64), -OVERFLOW, OVERFLOW) - truth) / unit


def examine(job: tuple[str, int]) -> Record:
    """Return what is found about a function, given its name and the stride."""
    name, stride = job
    record, started = Record(name), time.perf_counter()
    function = getattr(elementary, name)
    with np.errstate(over="ignore", under="ignore"):
        for values in patterns(LOWEST.get(name, -math.inf), stride):
            x = values.astype(np.float64)
            record.take(values, host.narrow(function(host, x)), REFERENCES[name](x))
    record.digest, record.seconds = record.digest.hexdigest(), time.perf_counter() - started
    return record


def main(functions: Functions = None, stride: Stride = 1, processes: Processes = 1) -> None:
    """Print a table in Markdown of the functions over all float32 values."""
    names = functions or list(REFERENCES)
    if unknown := [name for name in names if name not in REFERENCES]:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(REFERENCES)}.")
    here = machine.describe(machine.load())
    print("|", " | ".join(HEADINGS), "|")
    print("|", " | ".join("---" for _ in HEADINGS), "|", flush=True)
    with get_context("spawn").Pool(min(processes, len(names))) as pool:
        for record in pool.imap(examine, [(name, stride) for name in names]):
            print("|", " | ".join(record.cells()), "|", flush=True)
    taken = "All float32 values" if stride == 1 else f"One in {stride} of the float32 values"
    versions = ", ".join(f"{name} {here.versions[name]}" for name in ("Python", "numpy"))
    print(f"\n{taken} that the function is defined for, without subnormals and -0. {here.date}, {versions}, {here.processor}.")


if __name__ == "__main__":
    typer.run(main)
