"""MXNet's operators by name and by handle."""

from __future__ import annotations

import ctypes
from functools import cache

from unicnn_mxnet.compat import mx

_LIB = mx.base._LIB


@cache
def name_of(handle: int) -> str:
    """Return the name under which MXNet itself knows an operator, whatever alias was called."""
    name = ctypes.c_char_p()
    mx.base.check_call(_LIB.MXSymbolGetAtomicSymbolName(ctypes.c_void_p(handle), ctypes.byref(name)))
    return (name.value or b"").decode()


@cache
def names() -> frozenset[str]:
    """Return the names of all operators, aliases too."""
    count, found = ctypes.c_uint(), ctypes.POINTER(ctypes.c_char_p)()
    mx.base.check_call(_LIB.MXListAllOpNames(ctypes.byref(count), ctypes.byref(found)))
    return frozenset(found[i].decode() for i in range(count.value))


@cache
def handle_of(name: str) -> int:
    """Return the handle of an operator that exists."""
    handle = ctypes.c_void_p()
    mx.base.check_call(_LIB.NNGetOpHandle(mx.base.c_str(name), ctypes.byref(handle)))
    return handle.value or 0
