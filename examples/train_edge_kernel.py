"""An edge detector, learned by gradient descent as in the PyTorch course, on any backend: arrays as data, a loss that is a sum.

    python examples/train_edge_kernel.py --backend mxnet

What to mind in the original. Its loss is the sum over all 42 outputs, so that the rate of 0.03 would be 1.26 for a mean. It starts from
a random kernel, so its printed losses come out otherwise each time. And its own `Conv2D` cannot run: `super().__init__()` is missing.

The loss is quadratic. A step leaves -0.8 of what both values have too much, and 0.64 of how far they are too close. Ten leave 0.11 and
0.01: within 0.1 of [1, -1] from every kernel that PyTorch draws by default, from [-0.71, 0.71), but not from every one of N(0, 1).
"""

import numpy as np
import typer

import unicnn as un

RECIPE = un.Recipe(
    loss=un.SquaredError(reduction="sum"),
    optimizer=un.SGD(0.03),
    batch_size=1,
    steps=10,
    order="sequential",
)


def main(backend: str = "numpy", numerics: str = "native", seed: int = 0):
    """Learn [1, -1] from an image of 6 x 8 pixels and its edges, in ten steps."""
    x = np.ones((1, 1, 6, 8), np.float32)
    x[..., 2:6] = 0
    y = np.zeros((1, 1, 6, 7), np.float32)
    y[..., 1], y[..., 5] = 1, -1
    model = un.Sequential([("conv", un.Conv2d(1, (1, 2), bias=False))], input=(1, 6, 8), name="edges")

    start = un.initial_weights(model, seed, RECIPE.init)["conv.weight"].ravel()
    history, program = un.train(model, RECIPE, backend, numerics, seed=seed, data=(x, y))
    kernel = program.weights()["conv.weight"].ravel()
    for step in range(1, 10, 2):
        print(f"step {step + 1}, loss {history.losses[step]:.3f}")
    print(f"the kernel came from {start.round(3).tolist()} to {kernel.round(3).tolist()}")
    assert history.losses[-1] < history.losses[0] / 10
    assert np.abs(kernel - [1, -1]).max() < 0.1

    # The same by hand: of the 42 places of the kernel, 12 show it two ones, 6 one on its left, 6 one on its right, and the rest zeros.
    distance = start.astype(np.float64) - [1, -1]
    for _ in range(10):
        distance -= 0.03 * 2 * np.array([[18, 12], [12, 18]]) @ distance
    assert np.abs(kernel - np.add([1, -1], distance)).max() < 1e-5


if __name__ == "__main__":
    typer.run(main)
