"""What a user names on the command line: a network of the zoo, a file, or an object in a Python file."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np

from unicnn import files, randomness, zoo
from unicnn.datasets import fashion_mnist
from unicnn.errors import DescriptionError, InputError, UnicnnError, UnknownNameError, closest
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.numerics import numerics
from unicnn.program import check_memory

Array = np.ndarray[Any, Any]


def find_model(text: str) -> Model:
    """Return the model that `text` names: "lenet", "net.toml", "net.json" or "net.py:name".

    A Python file is run, because the user names it; a name in it may be a Model or a function that returns one.
    """
    if text.endswith((".toml", ".json")):
        return files.load(text)
    path, colon, name = text.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_python(Path(path), name)
    if text.endswith(".py"):
        raise DescriptionError(f"{text}: say which name in the file is the network, as in {text}:net.")
    try:
        return zoo.get(text)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} A network may also be a .toml or .json file, or file.py:name.") from None


def _from_python(path: Path, name: str) -> Model:
    try:
        found = runpy.run_path(str(path))
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except Exception as error:
        raise DescriptionError(f"{path}: running it failed ({type(error).__name__}: {error}). Run it by itself to see where.") from error
    if name not in found:
        models = [key for key, value in found.items() if isinstance(value, Model)]
        raise DescriptionError(f"{path}: has no {name!r}.{closest(name, models)}")
    try:
        value = found[name]() if callable(found[name]) else found[name]
    except UnicnnError:
        raise
    except Exception as error:
        raise DescriptionError(f"{path}:{name}: calling it without arguments failed ({type(error).__name__}: {error}).") from error
    if not isinstance(value, Model):
        raise DescriptionError(f"{path}:{name} is a {type(value).__name__}, not a unicnn Model.")
    return value


def sample(model: Model, data: str, count: int, seed: int = 0) -> tuple[Any, Array, str]:
    """Return (inputs, labels, what they are) of `count` samples for `model`.

    `data` is "fashion-mnist" (test images, each pixel repeated to fill an input that is a whole multiple of 28x28, the
    channel repeated for colour), "random" (standard normal values), or "auto" for the first if it fits.
    """
    if count < 1:
        raise InputError(f"A batch must have at least 1 sample, not {count}.")
    if data not in ("auto", "fashion-mnist", "random"):
        raise UnknownNameError(f"There is no data called {data!r}.{closest(data, ['fashion-mnist', 'random'])}")
    check_memory(infer(model), numerics("native"), count)
    shape = model.inputs[0][1]
    fits = len(model.inputs) == 1 and len(shape) == 3 and shape[0] in (1, 3) and shape[1] % 28 == 0 == shape[2] % 28
    if data == "fashion-mnist" and not fits:
        raise InputError(
            f"{model.name} takes {', '.join(str(s) for _, s in model.inputs)}, and Fashion-MNIST has images of 1x28x28, "
            "which can only be enlarged by whole numbers. Use --data random."
        )
    if data == "random" or not fits:
        return _random(model, count, seed)
    chosen = fashion_mnist("test", source="embedded")
    if count > len(chosen):
        raise InputError(f"The built-in slice has {len(chosen)} test images, not {count}. Use a smaller batch, or --data random.")
    x, labels = chosen.take(count).as_float()
    x = x.repeat(shape[0], 1).repeat(shape[1] // 28, 2).repeat(shape[2] // 28, 3)
    return x, labels, "Fashion-MNIST test images"


def _random(model: Model, count: int, seed: int) -> tuple[Any, Array, str]:
    values = {name: randomness.normal((count, *shape), "input", seed, name).astype(np.float32) for name, shape in model.inputs}
    output = infer(model).shapes[model.outputs[0][1]]
    labels = (randomness.uniform((count,), "labels", seed) * (output[0] if len(output) == 1 else 1)).astype(np.int64)
    return tuple(values.values()) if len(values) > 1 else next(iter(values.values())), labels, "random values"
