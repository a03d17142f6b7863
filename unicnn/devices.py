"""Telling which devices a framework can use, without importing it."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1)
def cuda_devices() -> int:
    """Return how many CUDA devices the driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def cuda_or_cpu(*needs: str) -> Callable[[], tuple[str, ...]]:
    """Return a function that lists "cpu", and "cuda" if there is a device and the modules `needs` can be imported."""

    def devices() -> tuple[str, ...]:
        available = cuda_devices() > 0 and all(importlib.util.find_spec(name) is not None for name in needs)
        return ("cpu", "cuda") if available else ("cpu",)

    return devices
