"""A training run: a recipe, carried out on a backend, that can stop after any step and go on there or elsewhere."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import numpy as np

from unicnn import files
from unicnn.checks import check_labels
from unicnn.errors import CheckpointError, InputError, TrainingError
from unicnn.fingerprint import checked, digest
from unicnn.model import Model
from unicnn.program import Program, lower
from unicnn.training import checkpoint
from unicnn.training.batches import Batches
from unicnn.training.data import Split, from_arrays, open_data
from unicnn.training.history import Epoch, History, Tally, restored
from unicnn.training.learner import Learner
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
Told: TypeAlias = Callable[["Run"], None]

EXPLODED = 1e6
"""A loss beyond this, a thousand times the smallest so far, will not come back."""


class Run:
    """Carry out a recipe step by step. `on_step` and `on_epoch` are called after each with the run itself."""

    def __init__(
        self, model: Model, recipe: Recipe, backend: str = "numpy", numerics: str = "native", device: str = "cpu", seed: int = 0,
        *, data: Any = None, weights: Mapping[str, Array] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.recipe, self.seed = model, recipe, seed
        self.train, self.test = _splits(recipe, data)
        self.batches = Batches.of(recipe, len(self.train), seed)
        self.program: Program = lower(model, backend, device, numerics, seed, init=recipe.init, weights=weights)
        self.learner = Learner(self.program, recipe)
        self._check_data()
        self.history = History(Tally.of(recipe))
        self.folder: Path | None = None
        self.seconds, self.timed = 0.0, 0
        self.on_step: Told = _nothing
        self.on_epoch: Told = _nothing
        self.stopping = False

    def _check_data(self) -> None:
        """Check every label now, not when its batch comes."""
        graph = self.program.graph
        shape = graph.shapes[graph.model.outputs[0][1]]
        for split in filter(None, (self.train, self.test)):
            if self.recipe.loss.target(shape)[0] == "labels":
                check_labels(graph, split.targets, len(split), shape[0])

    @property
    def steps(self) -> int:
        """Return the number of updates so far."""
        return self.learner.steps

    @property
    def total(self) -> int:
        """Return the number of updates that the recipe asks for."""
        return self.recipe.steps if self.recipe.steps is not None else (self.recipe.epochs or 0) * self.batches.per_epoch

    @property
    def begun(self) -> int:
        """Return the number of updates before the present epoch."""
        return self.history.epochs[-1].step if self.history.epochs else 0

    @property
    def at_end(self) -> bool:
        """Tell whether the last update ended an epoch, or the training."""
        return self.steps % self.batches.per_epoch == 0 or self.steps == self.total

    @property
    def images_per_second(self) -> float:
        """Return how fast the present epoch trains, or the part of it since the run was resumed."""
        return self.timed / max(self.seconds, 1e-9)

    def go(self, *, every: int | None = None, until: int | None = None) -> None:
        """Run until the recipe is done, or until so many updates in all are, with a checkpoint after each epoch and each `every` steps if there is a folder.

        KeyboardInterrupt is raised after the step during which Ctrl-C was pressed, and its checkpoint.
        """
        with self._interruptible():
            while self.steps < min(self.total, self.total if until is None else until) and not self.stopping:
                self.step()
                if self.at_end:
                    self.end_epoch()
                if self.folder is not None and (self.at_end or self.stopping or (every and self.steps % every == 0)):
                    self.save()
                if self.at_end:
                    self.on_epoch(self)
        if self.stopping:
            self.stopping = False
            raise KeyboardInterrupt

    def step(self) -> None:
        """Run one step; raise TrainingError if its loss is no use."""
        start = time.perf_counter()
        x, labels = self.train.batch(self.batches.indices(self.steps))
        epoch = self.steps // self.batches.per_epoch
        rate = self.recipe.rate(self.steps, epoch)
        try:
            result = self.learner.step(self._typed(x), labels, rate)
        except InputError as error:  # a value that left the range, say
            raise InputError(f"Step {self._place(self.steps)}, at the learning rate {rate:g}: {error}") from None
        self._check_loss(result.loss)
        self.history.steps.add(result.loss, result.scores, labels)
        self.seconds += time.perf_counter() - start
        self.timed += len(labels)
        self.on_step(self)

    def _typed(self, x: Array) -> Array:
        return x.astype(self.program.numerics.dtype, copy=False) if x.dtype.kind == "f" else x

    def _check_loss(self, loss: float) -> None:
        past = self.history.losses
        if math.isfinite(loss) and not (loss > EXPLODED and past and loss > 1000 * min(past)):
            return
        rate = self.recipe.rate(self.steps - 1, (self.steps - 1) // self.batches.per_epoch)
        before = f"it was {past[-1]:.6g} the step before" if past else "it is the first"
        kept = f" The last checkpoint is in {self.folder}." if self.folder is not None and checkpoint.saved(self.folder) else ""
        raise TrainingError(
            f"{self.model.name}: the loss {'explodes to' if math.isfinite(loss) else 'is'} {loss:.6g} at step {self._place(self.steps - 1)} "
            f"with {type(self.recipe.optimizer).__name__} at the learning rate {rate:g}; {before}. "
            f"Use a smaller learning rate, a Warmup, or clip the gradients.{kept}"
        )

    def _check_weights(self) -> None:
        """Raise TrainingError if a weight is not finite: a framework whose ReLU makes 0 of NaN would hide it from the loss."""
        for name, array in self.program.weights().items():
            if not np.isfinite(array).all():
                raise TrainingError(
                    f"{self.model.name}: the weight {name!r} holds {array[~np.isfinite(array)][0]} after step {self._place(self.steps - 1)}, though "
                    "the loss does not show it. Use a smaller learning rate, a Warmup, or clip the gradients."
                )

    def _place(self, step: int) -> str:
        epoch, batch = divmod(step, self.batches.per_epoch)
        return f"{step + 1} (epoch {epoch + 1}, batch {batch + 1})"

    def end_epoch(self) -> None:
        """Average the epoch's batches, look at the test samples, and add both to the history."""
        self._check_weights()
        averaging = self.recipe.averaging or "samples"
        loss, metrics = self.history.steps.means(averaging, self.begun)
        number = (self.steps - 1) // self.batches.per_epoch
        epoch = Epoch(
            number, self.steps, self.recipe.rate(self.steps - 1, number), loss, metrics, seconds=self.seconds,
            images_per_second=self.images_per_second,
        )  # fmt: skip
        self.seconds, self.timed = 0.0, 0
        if self.test is not None:
            test_loss, test_metrics = self.evaluate(self.test).means(averaging)
            epoch = replace(epoch, test_loss=test_loss, test_metrics=test_metrics)
        self.history.epochs.append(epoch)

    def evaluate(self, split: Split) -> Tally:
        """Return what the batches of a split give in inference."""
        tally, size = Tally.of(self.recipe), self.recipe.test_batch_size or 1
        for first in range(0, len(split), size):
            x, labels = split.batch(np.arange(first, min(first + size, len(split))))
            tally.add(*self.program.evaluate(self._typed(x), labels, self.recipe.loss), labels)
        return tally

    def sha256(self) -> str:
        """Return the digest of all weights, the optimiser's state and the history; raise InputError if it would prove nothing."""
        weights = checked(self.program.weights())
        losses = np.array(self.history.losses)
        if len(losses) > 1:
            checked({"the losses": losses})
        return digest([*weights.values(), *self.learner.state().values(), *self.history.values()])

    # Checkpoints

    def save(self) -> Path:
        """Write a checkpoint to the run's folder."""
        assert self.folder is not None
        arrays = {f"weight/{name}": array for name, array in self.program.weights().items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.learner.state().items()}
        arrays |= {f"history/{name}": array for name, array in self.history.arrays().items()}
        document = {**self._identity(), "backend": self.program.backend.info.name, "epochs": [e.to_dict() for e in self.history.epochs]}
        return checkpoint.save(checkpoint.Checkpoint(self.steps, arrays, document), self.folder)

    def _identity(self) -> dict[str, Any]:
        """Return what two runs must share for one to go on where the other stopped."""
        recipe = self.recipe.to_dict()
        for key in ("epochs", "steps", "name", "model"):
            recipe.pop(key, None)
        recipe.get("data", {}).pop("source", None)
        return {
            "model": files.to_dict(self.model),
            "recipe": recipe,
            "seed": self.seed,
            "numerics": self.program.numerics.name,
            "data": self.train.sha256,
            "test data": self.test.sha256 if self.test is not None else None,
        }

    def resume(self, path: str | Path) -> tuple[str, ...]:
        """Go back to the newest usable checkpoint of a folder; return a paragraph for each newer one that is damaged."""
        found, refused = checkpoint.load(path)
        for key, mine in self._identity().items():
            if (theirs := found.document.get(key)) != mine:
                raise CheckpointError(
                    f"{path}: the checkpoint after step {found.step} belongs to another training: its {key} is not this one's{_difference(theirs, mine)}. "
                    "Resume it with what it was begun with, or choose another folder."
                )
        parts: dict[str, dict[str, Array]] = {"weight": {}, "optimizer": {}, "history": {}}
        for name, array in found.arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = array
        self.learner.load(parts["weight"], parts["optimizer"], found.step)
        self.history = restored(self.recipe, parts["history"], found.document["epochs"])
        # A run that was to end in the middle of an epoch has counted a part of it as one; going on completes it.
        if self.history.epochs and self.history.epochs[-1].step % self.batches.per_epoch and self.steps < self.total:
            self.history.epochs.pop()
        return refused

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the run after the step in progress; pressed again, it ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _splits(recipe: Recipe, data: Any) -> tuple[Split, Split | None]:
    if data is not None:
        return from_arrays(data)
    if recipe.data is None:
        raise InputError(f'{recipe.name}: names no data. Give data = "fashion-mnist" in the recipe, or pass data=(x, y).')
    return open_data(recipe.data)


def _difference(theirs: Any, mine: Any) -> str:
    """Return where two plain values differ first, to be put behind their name."""
    if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
        for key in (*mine, *(key for key in theirs if key not in mine)):
            if theirs.get(key) != mine.get(key):
                return f" in {key}{_difference(theirs.get(key), mine.get(key))}"
    if isinstance(theirs, list) and isinstance(mine, list):
        for place, (a, b) in enumerate(zip(theirs, mine, strict=False)):
            if a != b:
                return f" at {place}{_difference(a, b)}"
    return f" ({theirs!r}, not {mine!r})"


def refuse_begun(folder: str | Path) -> None:
    """Raise CheckpointError if a folder already holds a training, which another one would displace."""
    if steps := checkpoint.saved(folder):
        raise CheckpointError(
            f"{folder}: holds a training already, whose last checkpoint is of step {steps[-1]}. Go on with it by resume (--resume on the "
            "command line), or choose another folder."
        )


def _nothing(run: Run) -> None:
    pass


def train(
    model: Model, recipe: Recipe, backend: str = "numpy", numerics: str = "native", device: str = "cpu", seed: int = 0,
    *, data: Any = None, weights: Mapping[str, Array] | None = None, out: str | Path | None = None, resume: bool = False,
    every: int | None = None, progress: bool = False, on_step: Told = _nothing, on_epoch: Told = _nothing,
) -> tuple[History, Program]:  # fmt: skip
    """Train `model` by `recipe`, and return the history and the trained program.

    `seed` draws the initial weights (unless `weights` are given), the order of samples and the dropout masks. `data` is (x, y) or
    (x, y, test_x, test_y) if the recipe names none. With `out`, a folder, a checkpoint is written after each epoch, after each `every` steps
    and at Ctrl-C; `resume` goes on from the newest one there, which may have been written on another backend. `progress` shows on a
    terminal how far it is. `on_step` and `on_epoch` are called with the Run.
    """
    run = Run(model, recipe, backend, numerics, device, seed, data=data, weights=weights)
    run.on_step, run.on_epoch = on_step, on_epoch
    run.folder = None if out is None else Path(out)
    if resume:
        if out is None:
            raise InputError("resume=True needs out, the folder with the checkpoints.")
        run.resume(out)
    elif out is not None:
        refuse_begun(out)
    if progress:
        from unicnn.training.progress import Bar

        with Bar(run):
            run.go(every=every)
    else:
        run.go(every=every)
    return run.history, run.program
