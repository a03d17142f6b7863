"""Reading Gluon and mx.nd: blocks, graphs in files, and functions over arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unicnn.errors import PortError
from unicnn.porting.tape import Recording
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing.files import load_into, network
from unicnn_mxnet.importing.running import Again
from unicnn_mxnet.importing.survey import speaks_mxnet
from unicnn_mxnet.importing.taping import recorded


def accepts(value: object) -> bool:
    """Tell whether `value` is a network of MXNet's: a block of Gluon, or a function that has to do with mx.nd."""
    return isinstance(value, mx.gluon.Block) or speaks_mxnet(value)


def record(value: Any, inputs: tuple[tuple[int, ...], ...], *, training: bool = False) -> Recording:
    """Return the tape of one pass of a network over inputs of these shapes."""
    heard = recorded(value, tuple(tuple(shape) for shape in inputs), training=training)
    return Recording(heard.tape, Again(value, heard))


def read(path: Path | str, *, params: Path | str | None = None) -> Any:
    """Return the network in ``NAME-symbol.json``, with the arrays in ``NAME-0000.params`` or in the file `params`."""
    return network(Path(path), params)


def load_parameters(value: Any, path: Path) -> Any:
    """Return a block with the arrays in a file that Gluon wrote."""
    if not isinstance(value, mx.gluon.Block):
        raise PortError(
            f"{path}: arrays from a file go into a block of Gluon, and this is a function. Load them where its arrays are made."
        )
    return load_into(value, path)
