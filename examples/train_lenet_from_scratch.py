"""LeNet written out by hand in mx.nd, trained: a plateau, an explosion, and what gets off the ground, on any backend.

    python examples/train_lenet_from_scratch.py --backend tensorflow --full

What to mind in the original. Its text is cut off before the learning rate and the results, so that there is nothing to reproduce but the
start; the rate of 0.5 here is a guess, the other MXNet tutorial's. From weights as small as N(0, 0.01^2) all scores are nearly 0, and so
are all gradients: the loss begins at ln 10 and stays there for more than 60 steps; on all images it falls in the second epoch. The text
invites the reader to leave out `weight_scale`, that is, to take N(0, 1): the first loss is about ten thousand, and the first step takes the
weights to where nothing is learned any more.
"""

import numpy as np
import typer

import unicnn as un

RECIPE = un.Recipe(
    data="fashion-mnist",
    optimizer=un.SGD(0.5),
    batch_size=256,
    epochs=5,
    order="shuffle",
    init={"weight": un.Normal(0.01), "bias": un.Constant(0)},
)


def main(backend: str = "numpy", numerics: str = "native", full: bool = False, seed: int = 0):
    """Train a few steps on the images inside the package, or the tutorial's five epochs on all with --full."""
    short = RECIPE.replace(data=un.Data("fashion-mnist", source="embedded"), steps=10)
    recipe = RECIPE.replace(data=un.Data("fashion-mnist", source="full")) if full else short
    lenet = un.zoo.lenet()

    history, _ = un.train(lenet, recipe, backend, numerics, seed=seed, progress=True)
    print(f"N(0, 0.01^2): the losses begin with {[round(loss, 4) for loss in history.losses[:6]]}; ln 10 is {np.log(10):.6f}")
    assert abs(history.losses[0] - np.log(10)) < 1e-3
    assert max(abs(loss - np.log(10)) for loss in history.losses[:10]) < 0.01  # it does not move
    if full:
        for epoch in history.epochs:
            print(f"epoch {epoch.number}: loss {epoch.loss:.4f}, test accuracy {epoch.test_metrics['accuracy']:.4f}")

    losses = []
    try:
        wide = short.replace(init={"weight": un.Normal(1), "bias": un.Constant(0)}, steps=4)
        un.train(lenet, wide, backend, numerics, seed=seed, on_step=lambda run: losses.append(run.history.losses[-1]))
    except un.UnicnnError as error:
        print(f"N(0, 1): {error}")
    assert 3000 < losses[0] < 30000

    he = short.replace(init={"weight": un.Scaled(2, "in", "normal"), "bias": un.Constant(0)}, optimizer=un.SGD(0.1), steps=16)
    history, _ = un.train(lenet, he, backend, numerics, seed=seed)
    print(f"He normal, at a rate of 0.1: {history.losses[0]:.4f} before, {history.losses[-1]:.4f} after {len(history.losses)} steps")
    assert history.losses[-1] < 1.5 < history.losses[0]


if __name__ == "__main__":
    typer.run(main)
