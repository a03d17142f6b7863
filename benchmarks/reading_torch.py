"""Measure what reading a network of PyTorch takes: python -m benchmarks.reading_torch [NAME].

Processor time of one reading, both tapes, by one thread; and the peak of memory, as a multiple of the weights. Each is measured
in a process of its own, whose memory before the reading, with the network built and everything imported, is the base.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

_SIZE = 224


def measure(name: str) -> dict[str, float]:
    """Return the processor seconds of a reading and the peak memory in bytes, with the network's own."""
    from tests.porting.zoo_torch import build
    from unicnn.porting.reading import from_framework

    from_framework(build("squeezenet1_1"), (2, 3, 64, 64))  # what is imported and set up once
    net = build(name)
    weights = sum(value.nbytes for value in net.state_dict().values())
    before, start = _now(), time.process_time()
    imported = from_framework(net, (2, 3, _SIZE, _SIZE))
    seconds = time.process_time() - start
    return {"seconds": seconds, "weights": weights, "base": before, "peak": _peak(), "layers": len(imported.model.layers)}


def _now() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(names: list[str]) -> None:
    """Print one line for each network."""
    for name in names or ["resnet50"]:
        command = [sys.executable, "-m", "benchmarks.reading_torch", "--measure", name]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        found = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        above = (found["peak"] - found["base"]) / found["weights"]
        print(
            f"{name}: {found['layers']} layers, {found['weights'] / 2**20:.0f} MiB of weights, read in {found['seconds']:.1f} s of processor time; "
            f"peak {1 + above:.2f} times the weights, the original's included"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main(sys.argv[1:])
