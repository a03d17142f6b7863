"""A framework's own object from a program: what was emitted is run, and filled with the program's weights."""

from __future__ import annotations

import linecache
import tempfile
from pathlib import Path
from typing import Any

from unicnn import plugins
from unicnn.errors import UnsupportedError
from unicnn.files import save_weights
from unicnn.model import Model
from unicnn.porting.emitting import emit
from unicnn.program import Program


def to_native(program: Program) -> Any:
    """Return the network of a program as its framework's own object, on the CPU, holding float32 numbers."""
    name = program.backend.info.name
    info = next((item for item in plugins.dialects().values() if item.backend == name), None)
    if info is None:
        raise UnsupportedError(
            f"{program.model.name} cannot become an object of {program.backend.info.title}: its plugin brings no dialect, so nothing writes "
            "its networks. Use a backend whose plugin implements unicnn_dialect."
        )
    net = made(program.model, info.name)
    with tempfile.TemporaryDirectory(prefix="unicnn-native-") as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights({key: array.astype("float32") for key, array in program.weights().items()}, path)
        return net[1](net[0], str(path)) or net[0]


def made(model: Model, dialect: str) -> tuple[Any, Any]:
    """Return a new object of what `dialect` writes for a model, and the function that fills it from a file."""
    text, info = emit(model, dialect), plugins.dialect(dialect)
    info.importer()  # it knows how its framework is imported beside this NumPy
    # Under a file name of its own, frameworks that look at sources (and tracebacks) find the text.
    file = f"{model.name}-in-{dialect}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": model.name}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    return scope[info.emitter().entry(model.name)](), scope["load_weights"]
