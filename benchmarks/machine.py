"""Where and when it was measured."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from benchmarks.record import Machine

DISTRIBUTIONS = ("unicnn", "numpy", "torch", "tensorflow", "tensorflow-cpu", "mxnet", "keras")


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def describe(load_before: float) -> Machine:
    """Return a description of this machine and of what is installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return Machine(_processor(), cores, date, load_before, load(), {"Python": platform.python_version(), **_versions()})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    known = {key.strip(): value.strip() for key, value in values.items()}
    family = f"family {known['cpu family']} model {known['model']}" if "cpu family" in known and "model" in known else ""
    return " ".join((known.get("model name", platform.machine()), family)).strip()


def _versions() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
