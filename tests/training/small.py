"""What the tests of training share: a small network, a few images, and numbers that float32 holds exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

import unicnn as un
from unicnn import randomness
from unicnn.training.run import Run

STEPS = 30
SIZE = 8
RATE = 2**-4
HALVED = un.StepDecay(7, 0.5, unit="update")
"""A rate that changes in the midst of an epoch."""

NETWORK = un.Sequential(
    [
        un.Conv2d(3, 3, activation="relu"),
        un.BatchNorm2d(),
        un.MaxPool2d(2),
        un.Conv2d(4, 2, activation="tanh"),
        un.Dropout(0.25),
        un.Flatten(),
        un.Linear(4),
    ],
    input=(2, 8, 8),
    name="small",
)
"""Every parameter has a gradient that is not 0, so that every difference can be taken relative to it."""


def samples(count: int) -> tuple[Any, Any]:
    """Return images of two channels, and labels that depend on them."""
    x = randomness.normal((count, 2, 8, 8), "small images")
    return x, x.reshape(count, 4, -1).mean(2).argmax(1)


def targets(count: int) -> tuple[Any, Any]:
    """Return images, and four values for each that depend on them."""
    x, labels = samples(count)
    return x, np.eye(4)[labels] + 0.5 * x[:, 0, 0, :4]


def difference(mine: Any, theirs: Any) -> float:
    """Return the largest difference as a share of the largest magnitude; 0 everywhere would prove nothing and gives NaN."""
    assert np.shape(mine) == np.shape(theirs)
    size = np.abs(theirs).max()
    return float(np.abs(np.asarray(mine) - theirs).max() / size) if size else float("nan")


def arrays(run: Run) -> dict[str, Any]:
    """Return all that a run leaves behind: the losses, the weights, the optimiser's state."""
    return {"losses": np.array(run.history.losses)} | run.program.weights() | run.learner.state()
