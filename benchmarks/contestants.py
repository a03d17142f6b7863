"""The two sides: unicnn on a backend, and the networks written by hand."""

from __future__ import annotations

import importlib
from typing import Any

import unicnn as un
from benchmarks.task import LEARNING_RATE, Contestant, Data, Task
from unicnn.training.learner import Learner

HANDWRITTEN = {
    "torch": "torch_eager:torch_eager",
    "tensorflow": "tf_function:tf_function",
    "mxnet": "gluon:gluon",
    "keras": "keras_layers:keras_call",
    "keras-predict": "keras_layers:keras_predict",
    "keras-train": "keras_layers:keras_train",
}
"""Where each network is written: module of `benchmarks.handwritten`, and function."""


def contestant(name: str, task: Task, data: Data) -> Contestant:
    """Return the contestant called `name`: "unicnn-" and a backend, perhaps "-identical", or one written by hand."""
    if name.startswith("unicnn-"):
        _, backend, *numerics = name.split("-")
        return ours(backend, task, data, *numerics)
    module, _, function = HANDWRITTEN[name].partition(":")
    result: Contestant = getattr(importlib.import_module(f"benchmarks.handwritten.{module}"), function)(task, data)
    return result


def ours(backend: str, task: Task, data: Data, numerics: str = "native") -> Contestant:
    """Return unicnn on a backend, which is given the framework's own tensors."""
    program = un.lower(un.zoo.get(task.network), backend, numerics=numerics, weights=data.weights)
    runtime = program.runtime
    x, labels = runtime.tensor(data.images), data.labels
    if task.training:
        recipe = un.Recipe(optimizer=un.SGD(LEARNING_RATE), batch_size=task.batch, steps=1, metrics=())
        learner = Learner(program, recipe)
        return Contestant(lambda: learner.step(x, labels, LEARNING_RATE).loss, lambda loss: {"loss": loss, **program.weights()})
    if task.gradients:
        return Contestant(lambda: program.gradients(x, labels), lambda result: {"loss": result[0], **result[1]})

    def call() -> Any:
        y = program(x)
        runtime.synchronize()
        return y

    return Contestant(call, lambda y: {"output": runtime.array(y)})
