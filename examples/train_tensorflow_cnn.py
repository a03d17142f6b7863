"""The subclassed Keras CNN, trained as its own loop does it, on any backend: Adam, batches drawn with replacement, a loss that is a sum.

    python examples/train_tensorflow_cnn.py --backend torch --full

What to mind in the original. It draws 50 of the images anew for each of 6000 steps, so its "5 epochs" are not passes over the data. Its
loss is the sum over the batch, 50 ln 10 = 115.13 at first; Adam, which divides by the size of gradients, hides that, and SGD would take
steps 50 times too long. Its model ends in a softmax, and Keras's loss takes probabilities. Run eagerly, that loss clips them to [1e-7, 1 -
1e-7]: a sample that is confidently wrong has a loss of 16.118 and no gradient at all. In `fit` or a `tf.function` the same code uses the
scores. Here the model ends in scores and the loss takes those. Keeping the softmax as well, in any framework, raises nothing and learns
badly. And `np.float`, which it uses, is gone from NumPy, and its printed accuracy of 0.9915 is MNIST's, not Fashion-MNIST's.
"""

import numpy as np
import typer

import unicnn as un

RECIPE = un.Recipe(
    data="fashion-mnist",
    loss=un.CrossEntropy("sum"),
    optimizer=un.Adam(0.001),
    batch_size=50,
    steps=6000,
    order="sample",
    preset="keras",
)


def loss_of(backend, layers, scores, label):
    """Return the loss and its gradient with respect to the scores of one sample, of a network that is `layers` alone."""
    program = un.lower(un.Sequential(layers, input=scores.shape[1:]), backend)
    loss, gradients = program.gradients(scores, np.array([label]))
    return loss, gradients["input"]


def main(backend: str = "numpy", numerics: str = "native", full: bool = False, seed: int = 0):
    """Train a few steps on the images inside the package, or the tutorial's 6000 on all with --full."""
    short = RECIPE.replace(data=un.Data("fashion-mnist", source="embedded", test=200), steps=20)
    recipe = RECIPE.replace(data=un.Data("fashion-mnist", source="full")) if full else short
    assert (recipe.optimizer.eps, recipe.optimizer.eps_placement, recipe.divisor) == (1e-7, "uncorrected", 1.0)

    scores = np.zeros((1, 10), np.float32)
    scores[0, 0] = 40  # sure of class 0, where class 1 is right
    exact, gradient = loss_of(backend, [un.Identity()], scores, 1)
    double, _ = loss_of(backend, [un.Softmax(1)], scores, 1)
    clipped = -np.log(1e-7)
    print(
        f"sure and wrong: loss {exact:.3f}, gradient {gradient[0, 1]:.3f}; clipped {clipped:.3f} and 0; with a second softmax {double:.3f}"
    )
    assert abs(exact - 40) < 1e-4
    assert abs(clipped - 16.118) < 1e-3
    assert abs(double - np.log(np.e + 9)) < 1e-4  # never more than that, however wrong

    history, _ = un.train(un.zoo.tf_cnn(), recipe, backend, numerics, seed=seed, progress=True)
    first, last = history.losses[0], np.mean(history.losses[-5:])
    print(
        f"summed loss: {first:.2f} at first, near 50 ln 10 = {50 * np.log(10):.2f}; {last:.2f} in the last five of {len(history.losses)} steps"
    )
    print(f"test accuracy {history.epochs[-1].test_metrics['accuracy']:.4f}")
    assert abs(first - 50 * np.log(10)) < 15
    assert last < 0.75 * first


if __name__ == "__main__":
    typer.run(main)
