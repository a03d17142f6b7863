"""Collapse by rounding: whether a training fails can depend on who adds, and under identical numerics it depends on the seed alone.

    python examples/collapse.py --seed 5 --seed 6

At the Gluon tutorial's rate of 0.5 some trainings of LeNet collapse: all scores become the same for all images, no gradient is left, and
the accuracy stays at 10 %. That is a property of the recipe, and the tutorial's table is one draw of it. But the same weights, images and
order may collapse in one framework and not in another, since each adds in its own order, and the rate magnifies the last bits of the first
losses a million times within some thirty steps. Under native numerics another processor, or another number of threads, may give another
table than yours. Under identical numerics everybody's is the same, to the last bit of every weight. That cures no recipe: seed 8 collapses,
for everybody.

The batches are of 64 images here, not of 256, so that it takes a minute or two on a CPU.
"""

from typing import Annotated

import numpy as np
import typer

import unicnn as un
from unicnn import plugins
from unicnn.training.run import Run

DATA = un.Data("fashion-mnist", source="embedded", test=500)
RECIPE = un.Recipe(data=DATA, optimizer=un.SGD(0.5), batch_size=64, steps=96, order="shuffle", preset="gluon")
EVERYWHERE = {5: 65.5, 6: 62.7, 8: 10.0}
"""The test accuracies under identical numerics after 96 steps, by seed."""


def trained(recipe, backend, numerics, seed):
    run = Run(un.zoo.lenet(), recipe, backend, numerics, seed=seed)
    run.go()
    return run


def main(seed: Annotated[list[int], typer.Option()] = [5, 6, 8], steps: int = 96):  # noqa: B006
    """Train LeNet on all backends under native and identical numerics, and print the test accuracies."""
    backends = plugins.usable()
    names = "".join(f"{name:>{len(name) + 2}}" for name in backends)
    print(f"Test accuracy in percent after {steps} steps; 10 is as good as guessing")
    print(f"{'':4}  {'native':>{len(names)}}    {'identical':>{len(names)}}\nseed  {names}    {names}")
    for number in seed:
        print(f"{number:4}", end="", flush=True)
        runs = {}
        for numerics in ("native", "identical"):
            runs[numerics] = [trained(RECIPE.replace(steps=steps), backend, numerics, number) for backend in backends]
            found = [100 * run.history.epochs[-1].test_metrics["accuracy"] for run in runs[numerics]]
            row = "".join(f"{value:{len(name) + 2}.1f}" for name, value in zip(backends, found, strict=True))
            print(f"{'' if numerics == 'native' else '  '}  {row}", end="", flush=True)

        losses = np.array([run.history.losses for run in runs["native"]])
        spread = np.ptp(losses, axis=0)
        digests = {run.sha256() for run in runs["identical"]}
        apart = ", ".join(f"{spread[i - 1]:.0e} at step {i}" for i in (1, 2, 4, 8, 16, 32, 64) if i <= steps)
        print(f"\n      native, losses apart: {apart}")
        print(f"      identical, SHA-256 of all weights and losses: {' and '.join(sorted(digests))}")
        assert len(digests) == 1
        assert steps != 96 or number not in EVERYWHERE or abs(found[0] - EVERYWHERE[number]) < 0.05
        assert len(backends) == 1 or spread.max() > 0


if __name__ == "__main__":
    typer.run(main)
