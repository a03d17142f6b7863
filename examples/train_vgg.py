"""VGG-11 with a quarter of the channels on images enlarged to 224 x 224, as the PyTorch course trains it, on any backend.

    python examples/train_vgg.py --backend torch --full

What to mind in the original. No output is printed, so that there is nothing to compare with but shapes and sizes. Its `train_ch6` draws the
weights anew by Xavier's rule and leaves PyTorch's biases as they are: neither framework's default alone. Its loop over shapes runs in
training mode, with dropout. Its epochs want a GPU (`--device cuda`). The resize is a part of the recipe and done batch by batch, so that
the enlarged images, 12 GB of them, are never held at once.
"""

import numpy as np
import typer

import unicnn as un

RECIPE = un.Recipe(
    data=un.Data("fashion-mnist", resize=(224, 224)),
    optimizer=un.SGD(0.05),
    batch_size=128,
    epochs=10,
    order="shuffle",
    init={"weight": un.Scaled(1, "avg"), "bias": un.Scaled(1 / 3, "in")},
)


def main(backend: str = "numpy", numerics: str = "native", full: bool = False, device: str = "cpu", seed: int = 0):
    """Train three steps of four images, or the tutorial's ten epochs on all with --full."""
    short = RECIPE.replace(data=un.Data("fashion-mnist", source="embedded", resize=(224, 224), train=4, test=0), batch_size=4, steps=3)
    recipe = RECIPE.replace(data=un.Data("fashion-mnist", source="full", resize=(224, 224))) if full else short
    vgg = un.zoo.vgg11_quarter()
    graph = un.infer(vgg)
    shapes = [graph.shapes[f"block{i}.pool"] for i in range(1, 6)]
    print(f"{graph.size:,} parameters; the blocks give {shapes}")
    assert graph.size == 43_093_322
    assert shapes == [(16, 112, 112), (32, 56, 56), (64, 28, 28), (128, 14, 14), (128, 7, 7)]

    before = un.initial_weights(vgg, seed, recipe.init)
    bound = np.sqrt(6 / (16 * 9 + 32 * 9))  # Xavier's, of 16 channels in and 32 out
    assert 0.99 * bound < np.abs(before["block2.conv1.weight"]).max() <= bound
    history, program = un.train(vgg, recipe, backend, numerics, device, seed, progress=True)
    print(f"losses {[round(loss, 4) for loss in history.losses[:6]]}, near ln 10 = {np.log(10):.4f}")
    assert all(np.isfinite(history.losses))
    assert abs(history.losses[0] - np.log(10)) < 0.5
    assert full or history.losses[-1] < history.losses[0] - 0.02  # three steps on the same four images
    after = program.weights()
    assert all((after[name] != before[name]).any() for name in before)  # the gradient has come to the first layer


if __name__ == "__main__":
    typer.run(main)
