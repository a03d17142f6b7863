"""Emitting: a network as source that an expert of a framework would have written."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from unicnn import plugins
from unicnn.errors import UnknownNameError, UnsupportedError, closest
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.ops import CrossEntropy, Softmax
from unicnn.porting.outline import Hints

if TYPE_CHECKING:
    from unicnn.porting.imported import Imported
    from unicnn.training.recipe import Recipe

CHECKS = "E,F,I,B,UP,RET,SIM"
"""The rules of ruff that emitted source keeps, besides its format."""


def emit(model: Model | Imported, target: str, *, style: str | None = None, recipe: Recipe | None = None) -> str:
    """Return `model` as one self-contained source file for the framework `target`, with its training if there is a recipe.

    What was imported keeps the class names of its original. Raises UnknownNameError for an unknown target or style, and
    UnsupportedError for what the framework, or the style, cannot say.
    """
    dialect = plugins.dialect(target)
    chosen = _style(dialect, style)
    hints = Hints() if isinstance(model, Model) else Hints(model.classes, model.notes)
    described = model if isinstance(model, Model) else model.model
    if recipe is not None:
        _check_scores(described, recipe)
    return formatted(dialect.emitter().write(infer(described), style=chosen, recipe=recipe, hints=hints))


def _check_scores(model: Model, recipe: Recipe) -> None:
    """Raise UnsupportedError where a loss of raw scores would be given probabilities."""
    ends = {name for _, name in model.outputs}
    last = next((layer for layer in model.layers if layer.name in ends and isinstance(layer.op, Softmax)), None)
    if last is not None and isinstance(recipe.loss, CrossEntropy):
        raise UnsupportedError(
            f"{model.name}/{last.name} (Softmax) makes probabilities, and the recipe's cross entropy takes raw scores: a softmax of a softmax "
            "raises nothing and learns something else, and Keras alone looks through it. Let the network end in raw scores and take the softmax "
            "where its answers are read, or port it without a recipe."
        )


def _style(dialect: Any, style: str | None) -> str:
    if style is None:
        return str(dialect.styles[0]) if dialect.styles else "class"
    if style not in dialect.styles:
        raise UnknownNameError(f"{dialect.title} is not written in a style called {style!r}.{closest(style, dialect.styles)}")
    return style


def formatted(source: str) -> str:
    """Return Python source as ruff formats it by default, its imports sorted."""
    sorted_imports = _ruff(source, "check", "--select", "I", "--fix", "--quiet")
    return _ruff(sorted_imports, "format", "--quiet")


def _ruff(source: str, *command: str) -> str:
    from ruff.__main__ import find_ruff_bin  # type: ignore[import-untyped]

    arguments = [find_ruff_bin(), command[0], "--isolated", "--no-cache", "--stdin-filename", "network.py", *command[1:], "-"]
    done = subprocess.run(arguments, input=source, capture_output=True, text=True, check=False, encoding="utf-8")
    if done.returncode:
        raise SyntaxError(f"The source that was written is not Python: {done.stderr.strip()}")
    return done.stdout
