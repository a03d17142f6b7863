"""Compare what backends compute on a GPU with what NumPy computes on the CPU, bit for bit: ``python tests/on_gpu.py``.

Prints a table (hardware, versions, date, verdicts, time ratios), writes it with ``--markdown FILE``, and exits with 1 if a byte differs and
with 2 if no backend has the device.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import unicnn as un
from unicnn import plugins
from unicnn.conformance.cases import CASES
from unicnn.conformance.graphs import sample
from unicnn.conformance.kit import FAILED, OUTCOMES, check
from unicnn.conformance.target import Target
from unicnn.fingerprint import digest
from unicnn.program import Program
from unicnn.training.run import Run

NETWORKS = {"lenet": 64, "inception-block": 4, "resnet18": 4}
REFERENCE = "numpy"
OPTIMIZERS = {
    "SGD": un.SGD(0.05),
    "momentum": un.SGD(0.02, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "Adam": un.Adam(0.002),
    "AdamW": un.AdamW(0.002),
    "RMSProp": un.RMSProp(0.001),
}


def network(name: str, batch: int, backend: str, device: str) -> tuple[str, Program, Any]:
    """Return the digest of all that a network of the zoo computes, its program and the batch."""
    model = un.zoo.get(name)
    x = np.random.default_rng(0).random((batch, *model.input_shape), np.float32)
    program = un.lower(model, backend, device, "identical")
    arrays = [program(x)]
    if len(model.outputs) == 1 and arrays[0].ndim == 2:
        loss, gradients = program.gradients(x, np.arange(batch) % 10)
        arrays += [np.float32(loss), *gradients.values()]
    return digest(map(np.asarray, arrays)), program, x


def graph(seed: int, backend: str, device: str) -> str:
    """Return the digest of all that a random network computes."""
    drawn = sample(seed)
    mode = "training" if drawn.training else "inference"
    program = un.lower(drawn.model, backend, device, "identical", weights=drawn.weights)
    output = program(drawn.inputs, mode=mode)
    moved = program.weights()
    program.load(drawn.weights)
    loss, gradients = program.gradients(drawn.inputs, drawn.labels, mode=mode)
    return digest([output, np.asarray(np.float32(loss)), *gradients.values(), *moved.values()])


def trained(optimizer: str, backend: str, device: str) -> str:
    """Return the digest of weights, optimiser's state and history after 20 steps of a network with batch norm and dropout."""
    net = un.Sequential(
        [
            un.Conv2d(8, 5, padding=2), un.BatchNorm2d(), un.ReLU(), un.MaxPool2d(2), un.Conv2d(16, 3), un.BatchNorm2d(), un.Tanh(),
            un.AvgPool2d(2), un.Flatten(), un.Dropout(0.25), un.Linear(32), un.ReLU(), un.Linear(10),
        ],
        input=(1, 28, 28), name="small",
    )  # fmt: skip
    recipe = un.Recipe(
        data=un.Data("fashion-mnist", source="embedded"), optimizer=OPTIMIZERS[optimizer], batch_size=96, steps=20,
        schedule=un.Warmup(4, 0.25, un.CosineDecay(16, unit="update"), unit="update"), clip=un.ClipGlobalNorm(1.0),
    )  # fmt: skip
    run = Run(net, recipe, backend, "identical", device, seed=3)
    run.go()
    assert run.history.losses[-1] < run.history.losses[0], "nothing was learned, so the digest proves nothing"
    return run.sha256()


def verdicts(backend: str, device: str, graphs: int, *, kit: bool) -> Iterator[tuple[str, str, str]]:
    """Yield what was compared, the verdict, and the time of identical over native."""
    for name, batch in NETWORKS.items():
        found, program, x = network(name, batch, backend, device)
        wanted, *_ = network(name, batch, REFERENCE, "cpu")
        yield f"{name}, batch {batch}", "same" if found == wanted else "DIFFERS", ratio(program, x, backend, device)
    for name in OPTIMIZERS:
        same = trained(name, backend, device) == trained(name, REFERENCE, "cpu")
        yield f"20 training steps with {name}, batch norm and dropout", "same" if same else "DIFFERS", ""
    wrong = [seed for seed in range(graphs) if graph(seed, backend, device) != graph(seed, REFERENCE, "cpu")]
    yield f"{graphs} random networks, forward and backward", "same" if not wrong else f"DIFFERS for {wrong}", ""
    if kit:
        yield from conformance(backend, device)


def conformance(backend: str, device: str) -> Iterator[tuple[str, str, str]]:
    """Yield for each level of the conformance kit how many of its cases pass on the device; what fails goes to standard error."""
    target = Target(backend, device)
    verdicts = [check(case, target) for case in CASES]
    for level in dict.fromkeys(case.level for case in CASES):
        counts = Counter(item.outcome for item in verdicts if item.level == level)
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
        yield f"{sum(counts.values())} cases of the kit, {level}", told, ""
    for item in verdicts:
        if item.failed:
            print(f"{item.case} on {target.title}: {item.detail}", file=sys.stderr)


def ratio(program: Program, x: Any, backend: str, device: str) -> str:
    """Return how much longer identical numerics take than native ones, tensors in and out, in turn."""
    native = un.lower(program.model, backend, device)
    tensor = program.runtime.tensor(x)

    def seconds(one: Program) -> float:
        start = time.perf_counter()
        one(tensor)
        one.runtime.synchronize()
        return time.perf_counter() - start

    times = [(seconds(program), seconds(native)) for _ in range(9)][2:]
    ours, theirs = (statistics.median(side) for side in zip(*times, strict=True))
    return f"{ours / theirs:.2f}"


def hardware() -> str:
    """Return what the driver calls the GPU, and the processor."""
    return " on ".join(
        (_said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "no GPU", platform.processor() or platform.machine())
    )


def _said(*command: str) -> str:
    run: Callable[..., Any] = subprocess.run
    try:
        return run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    except OSError:
        return ""


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backends", default=",".join(plugins.usable()))
    parser.add_argument("--graphs", type=int, default=320)
    parser.add_argument("--no-kit", action="store_true", help="leave the cases of the conformance kit out")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    infos = {name: plugins.descriptor(name).info for name in options.backends.split(",")}
    able = {name: info for name, info in infos.items() if info is not None and options.device in info.devices()}
    if not able:
        print(f"No backend can use the device {options.device!r} here: nothing was compared.", file=sys.stderr)
        return 2
    lines = ["| backend | what | bytes, against NumPy on the CPU | identical / native |", "| --- | --- | --- | --- |"]
    for name, info in able.items():
        for what, verdict, took in verdicts(name, options.device, options.graphs, kit=not options.no_kit):
            lines.append(f"| {info.title} {info.version()} | {what} | {verdict} | {took} |")
            print(lines[-1], flush=True)
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    text = "\n".join(["# On a GPU", "", f"{hardware()}, device {options.device}, {date}.", "", *lines, ""])
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    return 1 if any("DIFFERS" in line or f" {FAILED} |" in line for line in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main())
