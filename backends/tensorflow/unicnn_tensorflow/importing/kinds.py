"""The kinds of layers: which are read from their configuration, which from what they do, and which are not read at all."""

from __future__ import annotations

import re
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.utils.naming import to_snake_case

from unicnn_tensorflow.importing import norms, own

CONTAINER = "container"
"""A layer that the user has written, or a model: what it does is glue, and the layers that it calls are its parts."""
PLAIN = "plain"
"""A layer of Keras that has no weights or is arithmetic: what it does carries its name."""
CONFIGURED = "configured"
"""A layer that is read from its configuration, whatever it does."""
OPAQUE = "opaque"
"""A layer of Keras for which there is no word."""

_CONFIGURED = frozenset({
    "AdaptiveAveragePooling2D", "Add", "AveragePooling2D", "BatchNormalization", "Conv2D", "Conv2DTranspose", "Dense",
    "DepthwiseConv2D", "Dropout", "ELU", "LayerNormalization", "MaxPooling2D", "Multiply", "SeparableConv2D",
})  # fmt: skip
_PLAIN = frozenset({
    "Activation", "ActivityRegularization", "Average", "AveragePooling1D", "Concatenate", "Conv1D", "Cropping1D", "Cropping2D",
    "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Identity", "LeakyReLU",
    "MaxPooling1D", "Maximum", "Minimum", "Normalization", "Permute", "ReLU", "Rescaling", "Reshape", "Softmax",
    "Subtract", "ZeroPadding1D", "ZeroPadding2D",
})  # fmt: skip
_CONTAINERS = frozenset({"Functional", "Lambda", "Layer", "Model", "Sequential", "InputLayer"})


def kind_of(layer: Any) -> str:
    """Return the kind of a layer. A class that the user derives from one of Keras' is the user's: nobody knows what it changes.

    Batch normalisation is tried out, because a class that keeps another running variance is still one. Classes that are written
    into files here are known by their code.
    """
    cls = type(layer)
    if isinstance(layer, keras.layers.BatchNormalization) and cls is not keras.layers.BatchNormalization:
        return CONTAINER if norms.kept_variance(layer) is None else CONFIGURED
    if own.known(layer):
        return CONFIGURED
    if not cls.__module__.startswith("keras.src.layers.") or cls.__name__ in _CONTAINERS:
        return CONTAINER
    if cls.__name__ in _CONFIGURED:
        # Adapters and quantised weights change what the configuration says, so these are read from what they do.
        changed = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None) or getattr(layer, "rms_scaling", False)
        return PLAIN if changed else CONFIGURED
    return PLAIN if cls.__name__ in _PLAIN else OPAQUE


def made_up(layer: Any) -> bool:
    """Tell whether Keras made up a layer's name: that of its class, with a number if there were others before.

    Somebody may have chosen such a name as well. It was chosen if Keras has not counted that far; a file does not tell, and is
    taken to hold names that were made up.
    """
    plain = to_snake_case(type(layer).__name__)
    found = re.fullmatch(rf"{plain}(?:_(\d+))?", layer.name)
    if found is None:
        return False
    given = getattr(getattr(layer, "_auto_config", None), "config", None) or {}
    counts = global_state.get_global_attribute("object_name_uids")
    return counts is None or {"trainable", "dtype"} <= set(given) or int(found.group(1) or 0) < counts.get(plain, 0)


def is_layer(value: object) -> bool:
    """Tell whether something is a layer of Keras."""
    return isinstance(value, keras.layers.Layer)
