"""Measure what a port costs: ``python -m benchmarks.porting``. Each is the whole command, frameworks' own imports included.

Processor time is that of the command and of the process in which it runs the port. The memory of an import is the peak of a process that
imports a network, above what it had before the network existed, over the size of the network's weights (the original's own copy counts).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import describe, load

HERE = Path(__file__).parent / "originals"
RESULTS = Path(__file__).parent / "PORTING.md"


@dataclass(frozen=True)
class Case:
    """Name an original, its input, where it goes, and the limit of processor time in seconds."""

    title: str
    original: str
    shape: str
    to: str
    limit: float


CASES = tuple(
    Case(f"{name}, {source} to {to}", f"{file}:{entry}", shape, to, limit)
    for name, limit, entries in (
        ("LeNet", 15.0, (("torch_nets.py", "LeNet", "1,1,28,28"), ("keras_nets.py", "lenet", "1,28,28,1"), ("gluon_nets.py", "lenet", "1,1,28,28"))),
        ("ResNet-50", 90.0, (("torch_nets.py", "ResNet50", "1,3,224,224"), ("keras_nets.py", "resnet50", "1,224,224,3"), ("gluon_nets.py", "resnet50", "1,3,224,224"))),
    )
    for file, entry, shape in entries
    for source in (file.partition("_")[0],)
    for to in ("torch", "keras", "gluon", "numpy", "onnx")
    if to != source and (name == "LeNet" or to in ("torch", "keras"))
)  # fmt: skip

MEMORY = """
import json, runpy, sys, threading, time
import numpy as np
import unicnn as un
from unicnn import plugins
from unicnn.porting.finding import find_network, from_python, parse_shapes
from unicnn.porting.reading import from_framework

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def watched(work):
    peak, going = [resident()], [True]
    def look():
        while going[0]:
            peak[0] = max(peak[0], resident())
            time.sleep(0.001)
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    result = work()
    going[0] = False
    thread.join()
    return peak[0], result

network, small, shape = sys.argv[1:4]
warm = find_network(small, parse_shapes(shape))  # what the framework loads and keeps for itself
before = resident()
value = from_python(network)
own = resident() - before
peak, found = watched(lambda: from_framework(value, parse_shapes(sys.argv[4])))
size = sum(array.nbytes for array in found.weights.values())
print(json.dumps([(peak - before) / size, own / size, size]))
"""


def measure(case: Case, folder: Path) -> tuple[float, float, str]:
    """Return processor seconds, wall seconds and the verdict of one port."""
    output = folder / "port.py"
    command = [sys.executable, "-m", "unicnn.cli", "port", str(HERE / case.original), "--input", case.shape, "--to", case.to]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run([*command, "-o", str(output), "--force"], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    certificate = folder / "port.certificate.json"
    verdict = json.loads(certificate.read_text())["verdict"] if run.returncode in (0, 1) and certificate.exists() else run.stderr.strip()
    certificate.unlink(missing_ok=True)
    return spent, time.perf_counter() - start, verdict


def memory(file: str, large: str, small: str, small_shape: str, shape: str) -> tuple[float, float, int]:
    """Return the peak of an import and what the original itself takes, over the size of the weights, and that size in bytes."""
    names = [f"{HERE / file}:{large}", f"{HERE / file}:{small}"]
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, *names, small_shape, shape], capture_output=True, text=True, check=True, env=os.environ
    )
    ratio, own, size = json.loads(run.stdout.splitlines()[-1])
    return ratio, own, size


def main(
    only: Annotated[str, typer.Option(help="Measure the cases whose title contains this.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write benchmarks/PORTING.md.")] = False,
) -> None:
    """Measure all cases and print a table."""
    load_before = load()
    lines = ["| port | processor, s | limit | wall, s | |", "| --- | --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if only in case.title:
                spent, wall, verdict = measure(case, Path(folder))
                lines.append(f"| {case.title} | {spent:.1f} | {case.limit:.0f} | {wall:.1f} | {verdict.partition(':')[0]} |")
                print(lines[-1], verdict if not verdict.startswith("Proven") else "", flush=True)
    lines += ["", "| import | peak / weights | the original itself | limit | weights, MB |", "| --- | --- | --- | --- | --- |"]
    for file, large, small, small_shape, shape in (
        ("torch_nets.py", "ResNet50", "LeNet", "1,1,28,28", "1,3,224,224"),
        ("keras_nets.py", "resnet50", "lenet", "1,28,28,1", "1,224,224,3"),
        ("gluon_nets.py", "resnet50", "lenet", "1,1,28,28", "1,3,224,224"),
    ):
        title = f"ResNet-50 from {file.partition('_')[0]}"
        if only in title:
            ratio, own, size = memory(file, large, small, small_shape, shape)
            lines.append(f"| {title} | {ratio:.2f} | {own:.2f} | 2.2 | {size / 1e6:.0f} |")
            print(lines[-1], flush=True)
    if write:
        here = describe(load_before)
        versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
        text = f"# What a port costs\n\n`python -m benchmarks.porting --write`, {here.date}, {here.processor}, {here.cores} cores: {versions}.\n\n"
        RESULTS.write_text(text + (__doc__ or "").partition("\n\n")[2] + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(main)
