"""Operations of TensorFlow in words: what a handler does with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unicnn_tensorflow.importing.operations import arithmetic, images, moving

HANDLERS: Mapping[str, Callable[[Any, Any], Any]] = {**arithmetic.HANDLERS, **images.HANDLERS, **moving.HANDLERS}
"""By the operation's type. A handler returns NotImplemented for what there is no word for."""
