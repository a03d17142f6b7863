"""Noticing what slows this machine down without anybody being told."""

from __future__ import annotations

import os
from pathlib import Path


def notes() -> list[str]:
    """Return remarks about this machine that a user can act on."""
    remark = openblas_note(_cpu_flags(), os.environ)
    return [] if remark is None else [remark]


def openblas_note(cpu: str, environment: os._Environ[str] | dict[str, str]) -> str | None:
    """Return what to do if OpenBLAS, NumPy's matrix library, would pick a slow kernel on this processor."""
    slow = "AuthenticAMD" in cpu and "avx512f" in cpu
    if not slow or environment.get("OPENBLAS_CORETYPE"):
        return None
    return (
        "this is an AMD processor with AVX-512, for which OpenBLAS, NumPy's matrix library, picks a slow kernel. "
        "Set OPENBLAS_CORETYPE=SkylakeX before starting Python; matrix products become about twice as fast."
    )


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
