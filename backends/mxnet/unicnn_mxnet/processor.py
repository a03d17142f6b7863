"""What the processor has."""

from __future__ import annotations

from pathlib import Path


def has_avx512() -> bool:
    """Tell whether there is the AVX-512 that oneDNN has kernels for, as far as the system says."""
    try:
        return "avx512bw" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


AVX512 = has_avx512()
