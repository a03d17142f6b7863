"""Reading networks of Keras and TensorFlow: models that are graphs of layers, models with code of their own, and functions."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from unicnn_tensorflow import runtime  # noqa: F401 - it silences TensorFlow's banner, and so comes before it

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from unicnn.errors import PortError, UnsupportedError
from unicnn.porting.tape import Recording
from unicnn_tensorflow.importing import kinds
from unicnn_tensorflow.importing.paths import Paths
from unicnn_tensorflow.importing.runner import Original
from unicnn_tensorflow.importing.trace import parameters, trace
from unicnn_tensorflow.importing.walk import Walker

_AUTOMATIC = re.compile(r"(input|input_layer|keras_tensor|functional|sequential|model)(_\d+)?")
_OURS = ("tensorflow", "keras")


def accepts(value: object) -> bool:
    """Tell whether `value` is a network of Keras or TensorFlow: a model or layer, a module, a tf.function, or a function that uses them."""
    if isinstance(value, (keras.layers.Layer, tf.Module)) or hasattr(value, "get_concrete_function"):
        return callable(value)
    return inspect.isfunction(value) and any(_is_ours(item) for item in _mentioned(value))


def record(value: Any, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return the tape of one pass over inputs of these shapes; nothing is computed and no variable changes."""
    shapes = tuple(tuple(int(size) for size in shape) for shape in inputs)
    _check_inputs(value)

    def walker(given: tuple[tuple[int, ...], ...], training: bool = False) -> Walker:
        traced = trace(value, given, training, _dtype(value))
        return Walker(traced, Paths(value), _input_names(value, len(given)))

    tape = walker(shapes, training).walk(_name(value))

    def walked(given: tuple[tuple[int, ...], ...]) -> Walker:
        result = walker(given)
        result.walk(_name(value))
        return result

    return Recording(tape, Original(value, shapes, walked))


def shapes(value: Any) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of the inputs that a network says it takes, for a batch of one where any will do; None if it does not say."""
    symbols = getattr(value, "inputs", None) if kinds.is_layer(value) else getattr(value, "input_signature", None)
    given = [shape.as_list() if shape.rank else [] for symbol in tf.nest.flatten(symbols or []) for shape in [tf.TensorShape(symbol.shape)]]
    found = tuple((size or 1, *sizes) for size, *sizes in filter(None, given))
    return found if found and len(found) == len(given) and all(None not in shape for shape in found) else None


def read(path: Path, **options: Any) -> Any:
    """Return the model in a .keras file. Functions in it, such as lambdas, are refused and never evaluated."""
    if options:
        raise UnsupportedError(f"{path}: a .keras file is read without options, not with {', '.join(options)}.")
    if Path(path).suffix != ".keras":
        raise PortError(
            f"{path} is not a .keras file, which is the one format of Keras that holds a whole network as data. "
            'Save the model with model.save("network.keras"); of .weights.h5 files, load the weights into the model first.'
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise PortError(
            f"{path} cannot be read: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__} "
            "A file must be complete and hold layers of Keras only; import a model with classes or functions of your own as an object."
        ) from error


def _dtype(value: Any) -> str:
    return "float64" if getattr(value, "compute_dtype", None) == "float64" else "float32"


def _name(value: Any) -> str:
    """Return what a network is called: by the user, or by its class."""
    own = getattr(value, "name", None) if kinds.is_layer(value) else getattr(value, "__name__", None)
    if isinstance(value, tf.Module) and not isinstance(value, (keras.Sequential,)) and not hasattr(value, "_inputs_struct"):
        return type(value).__name__
    if hasattr(value, "python_function"):
        own = value.python_function.__name__
    return "model" if not own or _AUTOMATIC.fullmatch(own) or own == "<lambda>" else own


def _input_names(value: Any, count: int) -> list[str]:
    """Return the names of the inputs: those the user has given, and otherwise "input", or "input1" and so on."""
    symbols = getattr(value, "inputs", None) if kinds.is_layer(value) else None
    default = ["input"] if count == 1 else [f"input{i + 1}" for i in range(count)]
    if symbols and len(symbols) == count:
        return [key if _AUTOMATIC.fullmatch(symbol.name) else symbol.name for key, symbol in zip(default, symbols, strict=True)]
    names = [name for name in parameters(value) if name not in ("self", "training", "mask")]
    return names[:count] if 1 < count <= len(names) else default


def _check_inputs(value: Any) -> None:
    for symbol in (getattr(value, "inputs", None) or ()) if kinds.is_layer(value) else ():
        if symbol.dtype not in ("float32", "float64"):
            raise PortError(
                f"The input {symbol.name} of {value.name} takes numbers of type {symbol.dtype}, and a description's take real numbers. "
                'Make it keras.Input(..., dtype="float32") and convert what is fed to it.'
            )


def _mentioned(function: Any) -> list[Any]:
    found = inspect.getclosurevars(function)
    return [*found.globals.values(), *found.nonlocals.values()]


def _is_ours(item: Any) -> bool:
    name = item.__name__ if inspect.ismodule(item) else type(item).__module__
    return name.partition(".")[0] in _OURS
