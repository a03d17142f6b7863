"""Arrays in plain NumPy, for reproductions that stand alone. It has no gradients of its own: the rules of the core stand there."""

from __future__ import annotations

from typing import Any

import numpy as np


def tensor(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x


def array(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(x)
