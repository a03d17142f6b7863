"""Reading a network of a framework: find the dialect, record, lift, and see that training means the same."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unicnn import plugins
from unicnn.errors import PortError, UnicnnError
from unicnn.porting.dialect import DialectInfo
from unicnn.porting.imported import Imported
from unicnn.porting.lifting import Lift, imported, lift
from unicnn.porting.normal import first_difference
from unicnn.porting.tape import Recording, Tape

BATCH = 2
"""How many samples a network is recorded with: more than one, so that what treats samples together is seen."""


def from_framework(
    value: Any, input: Any = None, *, training: bool = True, name: str | None = None, dialect: str | None = None
) -> Imported:  # fmt: skip
    """Return the network that an object of a framework is, with its weights.

    `value` may be a torch.nn.Module, a keras.Model, a tf.function, a Gluon Block, a function of mx.nd arrays, or an ONNX model.
    `input` is the shape of the input, batch axis included, in the original's own layout, or a list of shapes for several inputs;
    it may be left out where the object says what it takes, as Keras models and ONNX files do.
    What the network does in training is read, too, and must be what a description can say; ``training=False`` leaves that out.
    `dialect` names the framework where the object does not tell. Raises PortError naming the line of what cannot be expressed.
    """
    info = plugins.dialect(dialect) if dialect is not None else dialect_of(value)
    importer = info.importer()
    shapes = _declared(importer, value, name) if input is None else _shapes(input)
    recording = _recorded(importer, value, shapes, training=False)
    lifted = lift(_named(recording, name), channels_last=info.channels_last)
    if training:
        _check_training(info, lifted, _recorded(importer, value, shapes, training=True))
    return imported(lifted, info.name, recording, (), training=training)


def read_file(path: Path, input: Any = None, *, params: Path | None = None, training: bool = True, name: str | None = None) -> Imported:
    """Return the network in a file that is data, such as model.onnx or model-symbol.json with its `params`; nothing in it is run."""
    info = next((info for info in plugins.dialects().values() if str(path).endswith(info.suffixes or ("\0",))), None)
    if info is None:
        known = ", ".join(suffix for item in plugins.dialects().values() for suffix in item.suffixes)
        raise PortError(
            f"{path}: no plugin reads such files. They read {known}; a Python file is named with what it holds, as in net.py:net."
        )
    value = info.importer().read(path, **({} if params is None else {"params": params}))
    return from_framework(value, input, training=training, name=name or path.name.removesuffix("".join(info.suffixes)), dialect=info.name)


def dialect_of(value: Any) -> DialectInfo:
    """Return the dialect that `value` is written in; only frameworks that are imported already are asked."""
    modules = {cls.__module__.partition(".")[0] for cls in type(value).__mro__}
    known = [info for info in plugins.dialects().values() if info.framework.partition(".")[0] in sys.modules]
    likely = [info for info in known if modules & set(info.objects)]
    for info in [*likely, *(info for info in known if info not in likely)]:
        try:
            if info.importer().accepts(value):
                return info
        except UnicnnError:
            continue
    titles = ", ".join(info.title for info in plugins.dialects().values())
    raise PortError(
        f"A {type(value).__module__}.{type(value).__qualname__} is no network of any framework that can be read ({titles}). "
        "Pass a model, a block, a module or a function of tensors."
    )


def _declared(importer: Any, value: Any, name: str | None) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that a network says it takes, or raise PortError."""
    found = importer.shapes(value) if hasattr(importer, "shapes") else None
    if found is None:
        raise PortError(
            f"{name or type(value).__qualname__} does not say what it takes. Give --input with the batch axis in front, such as "
            "--input 1,1,28,28, or in Python input=(1, 1, 28, 28)."
        )
    return _shapes(found)


def _shapes(given: Any) -> tuple[tuple[int, ...], ...]:
    if hasattr(given, "shape"):
        given = given.shape
    items: Sequence[Any] = tuple(given)
    shapes = (
        (tuple(items),) if all(isinstance(size, int) for size in items) else tuple(tuple(getattr(item, "shape", item)) for item in items)
    )
    if not shapes or not all(shape and all(isinstance(size, int) and size > 0 for size in shape) for shape in shapes):
        raise PortError(f"The input's shape must be sizes of at least 1, batch axis included, such as (1, 1, 28, 28), not {given!r}.")
    return shapes


def _recorded(importer: Any, value: Any, shapes: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return a recording over a batch of two, or of the size given if the code takes no other."""
    several = tuple((max(BATCH, shape[0]), *shape[1:]) for shape in shapes)
    for sizes in dict.fromkeys((several, shapes)):
        try:
            return importer.record(value, sizes, training=training)
        except PortError:
            raise
        except Exception as error:
            failure = error
    raise _failed(value, shapes, failure) from failure


def _failed(value: Any, shapes: Any, error: Exception) -> PortError:
    sizes = " and ".join("x".join(map(str, shape)) for shape in shapes)
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:400]
    return PortError(
        f"{type(value).__qualname__} cannot be run on an input of {sizes}: {detail}. Check that the input has the shape, batch axis included, "
        "that the network takes in its own framework."
    )


def _named(recording: Recording, name: str | None) -> Tape:
    return recording.tape if name is None else dataclasses.replace(recording.tape, name=name)


def _check_training(info: DialectInfo, lifted: Lift, recording: Recording) -> None:
    """Raise PortError if the network does something in training that the description read from inference does not say."""
    advice = "Leave its training out to port the inference alone: training=False, or --inference-only."
    try:
        other = lift(recording.tape, channels_last=info.channels_last)
    except PortError as error:
        raise PortError(f"In training, {error} {advice}") from None
    difference = first_difference(lifted.model, other.model)
    if difference is not None:
        raise PortError(
            f"{lifted.model.name} is another network in training than in inference: {difference}. A description has one network for both. {advice}"
        )
