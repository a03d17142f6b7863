"""Copies of networks in another precision, to train them and leave the user's as it is."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state

from unicnn_tensorflow.importing import kinds
from unicnn_tensorflow.importing.paths import Paths
from unicnn_tensorflow.importing.trace import call

_FLOATS = ("float32", "float64")


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Have everything that Keras makes be of type `dtype`."""
    # Without a policy of its own Keras follows floatx; asking for the policy would hide which of the two it is.
    before = keras.config.floatx(), global_state.get_global_attribute("dtype_policy")
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        global_state.set_global_attribute("dtype_policy", before[1])


def copied(root: Any, dtype: str, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return a copy of a network that computes in `dtype`, with the same weights."""
    if kinds.is_layer(root):
        twin = _rebuilt(root, dtype)
        call(twin, [tf.zeros(shape, dtype) for shape in shapes], training=False)
    elif isinstance(root, tf.Module):
        twin = copy.deepcopy(root)
        _retype(twin, dtype)
    else:
        raise NotImplementedError(
            f"{getattr(root, '__name__', root)} is a function, and its variables belong to the code around it: no copy of it can be "
            "trained. Make it a method of a tf.Module or of a keras.Model."
        )
    ours, theirs = variables(root), variables(twin)
    if {name: tuple(value.shape) for name, value in ours.items()} != {name: tuple(value.shape) for name, value in theirs.items()}:
        raise NotImplementedError(
            f"A copy of {type(root).__name__} that is made anew has other variables, so it cannot be trained instead."
        )
    for name, variable in ours.items():
        theirs[name].assign(tf.cast(variable, theirs[name].dtype))
    return twin


def variables(root: Any) -> dict[str, Any]:
    """Return the variables of a network by the names of their constants."""
    return {name: variable for name, variable in Paths(root).variables.items() if variable.dtype.is_floating}


def _rebuilt(root: Any, dtype: str) -> Any:
    cls = type(root)
    try:
        config = retyped(root.get_config(), dtype)
        known = {type(layer).__name__: type(layer) for layer in _layers(root)}
        with keras.saving.custom_object_scope(known):
            return cls.from_config(config)
    except (NotImplementedError, TypeError, ValueError) as error:
        required = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
        if required or cls in (keras.Model, keras.Sequential) or hasattr(root, "_inputs_struct"):
            raise NotImplementedError(
                f"{cls.__name__} cannot be copied, so it cannot be trained as {dtype}: with what it was made is not known "
                f"({_first_line(error)}). Give it a method get_config that returns the arguments of its constructor."
            ) from error
        return cls()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _layers(root: Any) -> list[Any]:
    return [root, *root._flatten_layers(include_self=False)]


def retyped(config: Any, dtype: str) -> Any:
    """Return a configuration with every precision in it replaced."""
    if isinstance(config, Mapping):
        if config.get("class_name") == "DTypePolicy":
            return dtype
        return {key: dtype if key == "dtype" and value in _FLOATS else retyped(value, dtype) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(retyped(item, dtype) for item in config)
    return config


def _retype(module: Any, dtype: str) -> None:
    """Make all variables of a tf.Module, wherever it holds them, be of type `dtype`."""

    def turned(value: Any) -> Any:
        if isinstance(value, tf.Variable):
            return tf.Variable(np.asarray(value, dtype), trainable=value.trainable, name=value.name.partition(":")[0])
        if isinstance(value, tf.Module):
            _retype(value, dtype)
        elif isinstance(value, Mapping):
            return {key: turned(item) for key, item in value.items()}
        elif isinstance(value, (list, tuple)):
            return [turned(item) for item in value]
        return value

    for name, value in list(vars(module).items()):
        if not name.startswith("_self_"):
            setattr(module, name, turned(value))
