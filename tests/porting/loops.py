"""What the tests of emitted loops share: a network, recipes that use all that a recipe can say, and unicnn's own training by them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import unicnn as un
from tests.training.small import samples, targets
from unicnn.training.batches import Batches

SIZE, EPOCHS, COUNT, SEED = 8, 2, 76, 4
"""Two epochs of ten batches, of which the last has 4 samples: a number by which float32 can divide."""
NETWORK = un.Sequential(
    [un.Conv2d(3, 3, activation="relu"), un.BatchNorm2d(eps=2**-7), un.MaxPool2d(2), un.Flatten(), un.Linear(6)],
    input=(2, 8, 8),
    name="plain",
)
EPS = 2**-10
RATE = 2**-4
BUFFER, VELOCITY = ({"momentum": 0.875, "form": form} for form in ("buffer", "velocity"))
HALVED = {"schedule": un.StepDecay(3, 0.5, unit="update")}
PLAIN = un.SGD(RATE)
SUM = un.CrossEntropy("sum")
NOTHING: dict[str, Any] = {}


def adam(kind: Any = un.Adam, **settings: Any) -> Any:
    return kind(2**-6, **{"beta1": 0.875, "beta2": 0.96875, "eps": EPS, "eps_placement": "corrected", **settings})


def rmsprop(**settings: Any) -> un.RMSProp:
    return un.RMSProp(2**-6, **{"rho": 0.875, "eps": EPS, "eps_placement": "outside", "momentum": 0.0, "form": "buffer", **settings})


def adagrad(**settings: Any) -> un.Adagrad:
    return un.Adagrad(2**-4, **{"initial": 0.0, "eps": EPS, "eps_placement": "outside", **settings})


def sgd(**settings: Any) -> un.SGD:
    return un.SGD(RATE, **settings)


def decay(form: str = "l2", to: str = "all", value: float = 0.25) -> dict[str, Any]:
    return {"weight_decay": value, "decay": form, "decay_applies_to": to}


L2, OFF, SOME_L2, SOME_OFF = decay(), decay("decoupled"), decay(to="weights"), decay("decoupled", "weights")
HALF_BEFORE, HALF_AFTER = {"eps_placement": "uncorrected"}, {"eps_placement": "inside"}
CENTERED = {"centered": True}


def per(unit: str, schedule: Any, **settings: Any) -> dict[str, Any]:
    return {"schedule": schedule(unit=unit, **settings)}


CASES: dict[str, tuple[Any, dict[str, Any], Any, dict[str, Any]]] = {
    "SGD": (PLAIN, NOTHING, un.SGD(2**-5), NOTHING),
    "SGD with momentum": (sgd(**BUFFER), NOTHING, sgd(momentum=0.75, form="buffer"), NOTHING),
    "SGD with a buffer, its rate changing": (sgd(**BUFFER), HALVED, sgd(**VELOCITY), HALVED),
    "SGD with a velocity, its rate changing": (sgd(**VELOCITY), HALVED, sgd(**BUFFER), HALVED),
    "SGD that looks ahead": (sgd(**VELOCITY, nesterov=True), NOTHING, sgd(**VELOCITY), NOTHING),
    "SGD that looks ahead from a buffer, its rate changing": (
        sgd(**BUFFER, nesterov=True),
        HALVED,
        sgd(**VELOCITY, nesterov=True),
        HALVED,
    ),
    "SGD that looks ahead from a velocity, its rate changing": (
        sgd(**VELOCITY, nesterov=True),
        HALVED,
        sgd(**BUFFER, nesterov=True),
        HALVED,
    ),
    "SGD that looks ahead and decays": (sgd(**VELOCITY, nesterov=True, **L2), NOTHING, sgd(**VELOCITY, nesterov=True), NOTHING),
    "Adam, eps after the correction": (adam(), NOTHING, adam(**HALF_BEFORE), NOTHING),
    "Adam, eps before the correction": (adam(**HALF_BEFORE), NOTHING, adam(), NOTHING),
    "Adam with decay in the gradient": (adam(**L2), NOTHING, adam(**OFF), NOTHING),
    "AdamW": (adam(un.AdamW, **OFF), NOTHING, adam(un.AdamW, **decay("decoupled", value=0.125)), NOTHING),
    "AdamW that spares biases, eps before the correction": (
        adam(un.AdamW, **HALF_BEFORE, **SOME_OFF),
        HALVED,
        adam(un.AdamW, **HALF_BEFORE, **OFF),
        HALVED,
    ),
    "RMSProp, eps outside": (rmsprop(), NOTHING, rmsprop(**HALF_AFTER), NOTHING),
    "RMSProp, eps inside": (rmsprop(**HALF_AFTER), NOTHING, rmsprop(), NOTHING),
    "RMSProp, centred, eps outside": (rmsprop(**CENTERED), NOTHING, rmsprop(), NOTHING),
    "RMSProp, centred, eps inside, with a velocity": (
        rmsprop(**CENTERED, **HALF_AFTER, **VELOCITY),
        HALVED,
        rmsprop(**CENTERED, **HALF_AFTER, **BUFFER),
        HALVED,
    ),
    "RMSProp with a buffer and decay": (rmsprop(**BUFFER, **L2), HALVED, rmsprop(**VELOCITY, **L2), HALVED),
    "RMSProp with a velocity": (rmsprop(**VELOCITY), HALVED, rmsprop(**BUFFER), HALVED),
    "RMSProp with decoupled decay": (rmsprop(**OFF), NOTHING, rmsprop(**L2), NOTHING),
    "Adagrad, eps outside": (adagrad(), NOTHING, adagrad(**HALF_AFTER), NOTHING),
    "Adagrad, eps inside": (adagrad(**HALF_AFTER), NOTHING, adagrad(), NOTHING),
    "Adagrad from another beginning, with decay": (adagrad(initial=0.125, **L2), NOTHING, adagrad(**L2), NOTHING),
    "Adagrad, eps inside, with decoupled decay": (adagrad(**HALF_AFTER, **OFF), NOTHING, adagrad(**HALF_AFTER, **L2), NOTHING),
    "decay in every gradient": (sgd(**BUFFER, **L2), NOTHING, sgd(**BUFFER, **OFF), NOTHING),
    "decay of every parameter itself": (sgd(**BUFFER, **OFF), NOTHING, sgd(**BUFFER, **L2), NOTHING),
    "decay of every parameter itself, its rate changing": (sgd(**VELOCITY, **OFF), HALVED, sgd(**VELOCITY, **L2), HALVED),
    "decay in the gradient of weights": (sgd(**SOME_L2), NOTHING, sgd(**L2), NOTHING),
    "decay of weights themselves": (sgd(**SOME_OFF), NOTHING, sgd(**OFF), NOTHING),
    "decay in a velocity, of weights": (sgd(**VELOCITY, **SOME_L2), HALVED, sgd(**VELOCITY, **L2), HALVED),
    "elements clipped": (PLAIN, {"clip": un.ClipValue(2**-6)}, PLAIN, {"clip": un.ClipValue(2**-5)}),
    "elements clipped, then decayed": (sgd(**L2), {"clip": un.ClipValue(2**-6)}, PLAIN, {"clip": un.ClipValue(2**-6)}),
    "elements clipped, then decayed, in Adam": (adam(**L2), {"clip": un.ClipValue(2**-6)}, adam(), {"clip": un.ClipValue(2**-6)}),
    "each gradient clipped": (PLAIN, {"clip": un.ClipNorm(0.0625)}, PLAIN, {"clip": un.ClipGlobalNorm(0.0625, 0.0)}),
    "each gradient clipped, then decayed": (sgd(**L2), {"clip": un.ClipNorm(0.0625)}, PLAIN, {"clip": un.ClipNorm(0.0625)}),
    "all gradients clipped": (PLAIN, {"clip": un.ClipGlobalNorm(0.25, 0.0)}, PLAIN, {"clip": un.ClipNorm(0.25)}),
    "all gradients clipped, as PyTorch does": (PLAIN, {"clip": un.ClipGlobalNorm(0.25, 1e-6)}, PLAIN, NOTHING),
    "all gradients clipped, with an eps": (PLAIN, {"clip": un.ClipGlobalNorm(0.25, 2**-6)}, PLAIN, {"clip": un.ClipGlobalNorm(0.25, 0.0)}),
    "the sum of the cross entropy": (PLAIN, {"loss": SUM, "divisor": 16.0}, PLAIN, {"loss": SUM, "divisor": 8.0}),
    "the sum as it is": (un.SGD(2**-7), {"loss": SUM}, un.SGD(2**-7), {"loss": SUM, "divisor": 2.0}),
    "the squared error": (PLAIN, {"loss": un.SquaredError(0.5)}, PLAIN, {"loss": un.SquaredError(1.0)}),
    "the sum of the squared error": (PLAIN, {"loss": un.SquaredError(1.0, "sum"), "divisor": 32.0}, PLAIN, {"loss": un.SquaredError(0.5, "sum"), "divisor": 32.0}),
    "a short batch divided by the nominal size": (PLAIN, {"divisor": "nominal"}, PLAIN, NOTHING),
    "a short batch divided by a number": (PLAIN, {"divisor": 16.0}, PLAIN, NOTHING),
    "a sum divided by the size": (PLAIN, {"loss": SUM, "divisor": "actual"}, PLAIN, {"loss": SUM, "divisor": 8.0}),
    "a sum divided by the nominal size": (PLAIN, {"loss": SUM, "divisor": "nominal"}, PLAIN, {"loss": SUM, "divisor": "actual"}),
    "a short batch clipped by the nominal size": (
        PLAIN,
        {"divisor": "nominal", "clip": un.ClipGlobalNorm(4.0, 0.0)},
        PLAIN,
        {"clip": un.ClipGlobalNorm(4.0, 0.0)},
    ),
    "means over batches": (PLAIN, {"averaging": "batches", "metrics": ("accuracy", "top_5")}, un.SGD(2**-5), NOTHING),
    "so many steps": (PLAIN, {"epochs": None, "steps": 20}, un.SGD(2**-5), NOTHING),
    "steps of updates": (PLAIN, per("update", un.StepDecay, size=3, gamma=0.5), PLAIN, per("update", un.StepDecay, size=4, gamma=0.5)),
    "steps of epochs": (PLAIN, per("epoch", un.StepDecay, size=1, gamma=0.5), PLAIN, NOTHING),
    "milestones": (
        PLAIN,
        per("update", un.MultiStepDecay, milestones=(4, 9), gamma=0.5, boundary="later"),
        PLAIN,
        per("update", un.MultiStepDecay, milestones=(4, 9), gamma=0.5, boundary="earlier"),
    ),
    "milestones that still have the earlier rate": (
        PLAIN,
        per("update", un.MultiStepDecay, milestones=(4, 9), gamma=0.5, boundary="earlier"),
        PLAIN,
        per("update", un.MultiStepDecay, milestones=(4, 9), gamma=0.5, boundary="later"),
    ),
    "a milestone at an epoch": (PLAIN, per("epoch", un.MultiStepDecay, milestones=(1,), gamma=0.5, boundary="later"), PLAIN, NOTHING),
    "a cosine that returns": (
        PLAIN,
        per("update", un.CosineDecay, length=3, first=0, after="return"),
        PLAIN,
        per("update", un.CosineDecay, length=3, first=0, after="hold"),
    ),
    "a cosine that holds": (
        PLAIN,
        per("update", un.CosineDecay, length=3, final=0.5, first=0, after="hold"),
        PLAIN,
        per("update", un.CosineDecay, length=3, final=0.5, first=1, after="hold"),
    ),
    "a cosine that begins at 1": (
        PLAIN,
        per("update", un.CosineDecay, length=3, final=0.25, first=1, after="hold"),
        PLAIN,
        per("update", un.CosineDecay, length=3, final=0.25, first=0, after="hold"),
    ),
    "a velocity whose rate falls to nothing": (
        sgd(**VELOCITY),
        per("update", un.CosineDecay, length=3, first=1, after="hold"),
        sgd(**BUFFER),
        per("update", un.CosineDecay, length=3, first=1, after="hold"),
    ),
    "a cosine of epochs": (PLAIN, per("epoch", un.CosineDecay, length=2, first=0, after="hold"), PLAIN, NOTHING),
    "a line": (PLAIN, per("update", un.PolynomialDecay, length=16, first=0), PLAIN, per("update", un.PolynomialDecay, length=16, first=1)),
    "a parabola that begins at 1, to a fourth": (
        PLAIN,
        per("update", un.PolynomialDecay, length=16, exponent=2, final=0.25, first=1),
        PLAIN,
        per("update", un.PolynomialDecay, length=16, exponent=2, final=0.25, first=0),
    ),
    "a parabola that begins at 1": (
        PLAIN,
        per("update", un.PolynomialDecay, length=16, exponent=2, first=1),
        PLAIN,
        per("update", un.PolynomialDecay, length=16, exponent=2, first=0),
    ),
    "a warm-up": (PLAIN, per("update", un.Warmup, length=4), PLAIN, per("update", un.Warmup, length=8)),
    "a warm-up, then a line, with momentum": (
        sgd(**BUFFER),
        per("update", un.Warmup, length=4, start=0.25, then=un.PolynomialDecay(8, first=1)),
        sgd(**VELOCITY),
        per("update", un.Warmup, length=4, start=0.25, then=un.PolynomialDecay(8, first=1)),
    ),
    "a warm-up, then steps of epochs": (
        PLAIN,
        per("update", un.Warmup, length=4, then=un.StepDecay(1, 0.5, unit="epoch")),
        PLAIN,
        per("update", un.Warmup, length=4),
    ),
}  # fmt: skip
NAMES = list(CASES)


def recipe(name: str, other: bool = False) -> un.Recipe:
    optimizer, settings = CASES[name][2:] if other else CASES[name][:2]
    return un.Recipe(**{"optimizer": optimizer, "batch_size": SIZE, "epochs": EPOCHS, **settings})


def data(of: un.Recipe) -> tuple[Any, Any]:
    if isinstance(of.loss, un.CrossEntropy):
        return samples(COUNT)
    x, values = targets(COUNT)
    return x, np.pad(values, ((0, 0), (0, 2)), constant_values=0.25)


def batches(of: un.Recipe, last: bool = False) -> Any:
    """Return the function `batches(epoch)` of an emitted loop, channels last if so wanted."""
    x, y = data(of)
    order = Batches.of(of, COUNT, SEED)

    def epoch(number: int) -> Any:
        for step in range(number * order.per_epoch, (number + 1) * order.per_epoch):
            taken = order.indices(step)
            yield (x[taken].transpose(0, 2, 3, 1) if last else x[taken]), y[taken]

    return epoch


def start() -> dict[str, Any]:
    return {name: array.astype(np.float64) for name, array in un.initial_weights(NETWORK, seed=7).items()}


@cache
def trained(name: str, other: bool = False) -> dict[str, Any]:
    """Return the losses of unicnn's own training, and the weights it ends with."""
    return trained_by(recipe(name, other))


def trained_by(of: un.Recipe) -> dict[str, Any]:
    history, program = un.train(NETWORK, of, "numpy", "float64", seed=SEED, data=data(of), weights=start())
    weights = {name: array for name, array in program.weights().items() if name.rpartition(".")[2] not in ("mean", "var")}
    return {"losses": np.array(history.losses)} | weights


def told(name: str) -> str:
    """Return what a loop prints."""
    of = recipe(name)
    history, _ = un.train(NETWORK, of, "numpy", "float64", seed=SEED, data=data(of), weights=start())
    lines = []
    for epoch in history.epochs:
        metrics = "".join(f", {metric.replace('_', ' ')} {value:.4f}" for metric, value in epoch.metrics.items())
        lines.append(f"epoch {epoch.number + 1}: loss {epoch.loss:.4f}{metrics}\n")
    return "".join(lines)


def linted(folder: Path, sources: dict[str, str]) -> str:
    """Return what ruff has against sources, or nothing."""
    for place, source in enumerate(sources.values()):
        (folder / f"loop{place}.py").write_text(source)
    found = ""
    for arguments in (["format", "--diff"], ["check", "--select", "E,F,I,B,UP,RET,SIM"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(folder)], capture_output=True, text=True
        )
        found += done.stdout + done.stderr if done.returncode else ""
    return found
