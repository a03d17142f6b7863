"""What a user names on the command line: a network or a recipe that comes with unicnn, a file, or an object in a Python file."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from unicnn import files, randomness, zoo
from unicnn.datasets import fashion_mnist
from unicnn.errors import DescriptionError, InputError, UnicnnError, UnknownNameError, closest
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.numerics import numerics
from unicnn.program import check_memory
from unicnn.training import builtin
from unicnn.training.recipe import Recipe, load_recipe

Array = np.ndarray[Any, Any]
Named = TypeVar("Named", Model, Recipe)


def find_model(text: str) -> Model:
    """Return the model that `text` names: "lenet", "net.toml", "net.json" or "net.py:name".

    A Python file is run, because the user names it; a name in it may be a Model or a function that returns one.
    """
    if text.endswith((".toml", ".json")):
        return files.load(text)
    if is_python(text):
        return _from_python(text, Model)
    return _named(zoo.get, text, "network")


def find_recipe(text: str) -> Recipe:
    """Return the recipe that `text` names: "lenet", "recipe.toml", "recipe.json" or "train.py:name"."""
    if text.endswith((".toml", ".json")):
        if _describes_network(Path(text)):
            raise DescriptionError(f"{text}: describes a network, not a recipe. Give a recipe, and this file as its model: --model {text}.")
        return load_recipe(text)
    if is_python(text):
        return _from_python(text, Recipe)
    return _named(builtin.get, text, "recipe")


def find(text: str) -> Model | Recipe:
    """Return the network or the recipe that `text` names; a name that is both means the network."""
    if text.endswith((".toml", ".json")):
        return find_model(text) if _describes_network(Path(text)) else find_recipe(text)
    if is_python(text):
        return _from_python(text, Model, Recipe)
    key, networks, recipes = text.replace("_", "-"), [*zoo.names()], builtin.names()
    if key in networks:
        return find_model(text)
    if key in recipes:
        return find_recipe(text)
    raise UnknownNameError(
        f"There is no network called {text!r} in the zoo, and no built-in recipe.{closest(key, {*networks, *recipes})} "
        "Either may also be a .toml or .json file, or file.py:name."
    )


def model_of(recipe: Recipe, named: str | None = None) -> Model:
    """Return the network that a recipe trains, or the one that is `named` instead."""
    if named is None and recipe.model is None:
        raise InputError(f'{recipe.name}: names no network. Give --model, or write model = "lenet" into the recipe.')
    return find_model(named or recipe.model or "")


def _named(get: Callable[[str], Named], text: str, kind: str) -> Named:
    """Return what is built in under a name, or raise UnknownNameError saying what else it may be."""
    try:
        return get(text)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} A {kind} may also be a .toml or .json file, or file.py:name.") from None


def _describes_network(path: Path) -> bool:
    return not files.read_document(path).keys().isdisjoint({"layers", "input", "inputs"})


def is_python(text: str) -> bool:
    """Tell whether `text` names a Python file, or something in one."""
    return text.endswith(".py") or text.rpartition(":")[0].endswith(".py")


def _from_python(text: str, *kinds: type[Any]) -> Any:
    if text.endswith(".py"):
        example = "net" if Model in kinds else "recipe"
        raise DescriptionError(f"{text}: say which name in the file is meant, as in {text}:{example}.")
    path, _, name = text.rpartition(":")
    try:
        found = runpy.run_path(path)
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except Exception as error:
        raise DescriptionError(f"{path}: running it failed ({type(error).__name__}: {error}). Run it by itself to see where.") from error
    if name not in found:
        known = [key for key, value in found.items() if isinstance(value, kinds)]
        raise DescriptionError(f"{path}: has no {name!r}.{closest(name, known)}")
    try:
        value = found[name]() if callable(found[name]) else found[name]
    except UnicnnError:
        raise
    except Exception as error:
        raise DescriptionError(f"{path}:{name}: calling it without arguments failed ({type(error).__name__}: {error}).") from error
    if not isinstance(value, kinds):
        raise DescriptionError(f"{path}:{name} is a {type(value).__name__}, not a unicnn {' or '.join(kind.__name__ for kind in kinds)}.")
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
