"""Reading ONNX: a graph becomes a tape, node by node, with shapes inferred for the input that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from unicnn.porting.tape import Recording
from unicnn_onnx.importing.loading import check_opset, loaded
from unicnn_onnx.importing.preparing import declared, prepared
from unicnn_onnx.importing.running import OnnxRunner
from unicnn_onnx.importing.translating import translated


def accepts(value: object) -> bool:
    """Tell whether `value` is a model."""
    return isinstance(value, onnx.ModelProto)


def record(value: onnx.ModelProto, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return the tape of a model for inputs of these shapes; a graph is the same in training, for it does not train."""
    check_opset(value, value.graph.name or "the model")
    model = prepared(value, inputs)
    tape = translated(model)
    return Recording(tape, OnnxRunner(model, tape))


def shapes(value: onnx.ModelProto) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of the inputs that a model declares, or None if it leaves more open than the batch."""
    return declared(value)


def read(path: Path, **options: Any) -> Any:
    """Return the model in a file of ONNX."""
    return loaded(path)
