"""Reading Flax NNX: a module becomes a tape, by a jaxpr that knows its modules, its layers and its lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flax import nnx

from unicnn.errors import PortError
from unicnn.porting.outline.words import network_name
from unicnn.porting.tape import Recording, Tape
from unicnn_jax.importing.flattening import Flattener
from unicnn_jax.importing.meaning import Meaning
from unicnn_jax.importing.running import NnxRunner
from unicnn_jax.importing.statistics import unbiased
from unicnn_jax.importing.tracing import traced


def accepts(value: object) -> bool:
    """Tell whether `value` is a module of NNX."""
    return isinstance(value, nnx.Module)


def record(value: nnx.Module, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return the tape of one pass of a module over inputs of these shapes; the module itself is left as it is."""
    if not isinstance(value, nnx.Module):
        raise PortError(
            f"A {type(value).__name__} is no nnx.Module. One of flax.linen holds no weights; make it one with "
            "nnx.bridge.ToNNX(module, rngs=nnx.Rngs(0)).lazy_init(x)."
        )
    trace = traced(value, inputs, training=training, unbiased=unbiased(value))
    flat = Flattener(trace).flat()
    meaning = Meaning(flat, trace.arrays, trace.trainable)
    meaning.run()
    outputs = tuple((key, _output(value, meaning.given(item, ""))) for key, item in zip(trace.keys, flat.outputs, strict=True))
    shapes = tuple(zip(trace.inputs, inputs, strict=True))
    tape = Tape(network_name(type(value).__name__), shapes, tuple(meaning.calls), meaning.constants, outputs, trace.classes)
    return Recording(tape, NnxRunner(value, trace, flat))


def _output(net: Any, operand: Any) -> str:
    if not isinstance(operand, str):
        raise PortError(f"{type(net).__name__} returns the number {operand}, whatever its input. Return something computed from the input.")
    return operand


def read(path: Path, **options: Any) -> Any:
    """Refuse to read a file: checkpoints hold weights, not the network."""
    raise PortError(
        f"{path}: a checkpoint of Flax holds weights, not the network. Name the Python file that builds the network, as net.py:Net."
    )
