"""Import MXNet 1.9.1, the last release, beside a NumPy that is younger than it.

Every concession to MXNet's age is here. The other modules take `mx` from this one.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def old_numpy() -> Iterator[None]:
    """Give NumPy back, inside, the name `bool` that it dropped in 1.24; MXNet reads it once, while it is imported."""
    if "bool" in vars(np):  # looked up in the namespace, because np.bool itself would warn
        yield
        return
    np.bool = bool  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del np.bool  # type: ignore[attr-defined]


def forget_half_an_import() -> None:
    """Drop what an `import mxnet` that failed for want of that name has left behind; a second one would take it for whole."""
    if "mxnet" not in sys.modules:
        for name in [name for name in sys.modules if name.startswith("mxnet.")]:
            del sys.modules[name]


forget_half_an_import()
with old_numpy(), warnings.catch_warnings():
    # It greets a newer NumPy and distutils with a dozen warnings, none of which concerns what is used here.
    warnings.simplefilter("ignore")
    import mxnet as mx

__all__ = ["mx"]
