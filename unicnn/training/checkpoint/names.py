"""What the files of a checkpoint are called, and which a folder has."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path

_STEP = "checkpoint-([0-9]{8}|[1-9][0-9]{8,})"
DOCUMENT = re.compile(rf"{_STEP}\.json")
TENSORS = re.compile(rf"{_STEP}-[0-9a-f]{{8}}\.safetensors")
TEMPORARY = re.compile(rf"{_STEP}.*\.([0-9a-f]{{8}})-([0-9]{{1,10}})-([0-9a-f]{{8}})\.tmp")


def document_name(step: int) -> str:
    """Return what the .json of a step is called."""
    return f"checkpoint-{step:08d}.json"


def find(folder: Path, pattern: re.Pattern[str]) -> dict[int, list[str]]:
    """Return the names in a folder that match `pattern`, by step."""
    found: dict[int, list[str]] = {}
    for name in os.listdir(folder):
        if match := pattern.fullmatch(name):
            found.setdefault(int(match[1]), []).append(name)
    return found


def _place() -> str:
    """Return eight digits for the realm in which a process has one number: a machine, or a container on it."""
    try:
        realm = os.readlink("/proc/self/ns/pid")
    except OSError:
        realm = ""
    return hashlib.sha256(f"{platform.node()} {realm}".encode()).hexdigest()[:8]


# A number of a process is given again, in a container that starts anew often the same one. After a fork the number differs.
PLACE, INSTANCE = _place(), os.urandom(4).hex()


def temporary_of(path: Path) -> Path:
    """Return the path of a file until it is complete; its name tells who writes it."""
    return path.with_name(f"{path.name}.{PLACE}-{os.getpid()}-{INSTANCE}.tmp")
