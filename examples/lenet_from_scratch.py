"""LeNet written out by hand in mx.nd: the shapes it prints, and why its initialisation hardly starts.

The original multiplies with `nd.dot(x, W)`, so its dense weights are (in, out), where this description, like PyTorch and
Gluon, holds (out, in). Its text is cut off before the learning rate and the results. What can be told: with weights
from N(0, 0.01^2) all scores are nearly 0 and the loss starts at ln 10, on a plateau; with N(0, 1), which the text
invites the reader to try, the first loss is in the thousands.
"""

import numpy as np
import typer

import unicnn as un


def weights(sd):
    """Return weights from N(0, sd^2) and biases of 0, dense ones drawn as (in, out) as in the original."""
    drawn = un.initial_weights(un.zoo.lenet(), seed=0, init={"weight": un.Normal(sd), "bias": un.Constant(0)})
    turned = {name: np.ascontiguousarray(drawn[name].reshape(drawn[name].shape[::-1]).T) for name in ("linear1.weight", "linear2.weight")}
    return drawn | turned


def main(backend: str = "numpy"):
    images, labels = un.fashion_mnist("train", source="embedded").take(256).as_float()
    small = un.lower(un.zoo.lenet(), backend, weights=weights(0.01))
    outputs = small.outputs(images)
    for title, name in (("1st conv block", "pool1"), ("2nd conv block", "flatten1"), ("1st dense", "relu3"), ("2nd dense", "linear2")):
        print(f"{title}: {outputs[name].shape}")
    assert [outputs[name].shape for name in ("pool1", "flatten1", "relu3", "linear2")] == [
        (256, 20, 12, 12),
        (256, 1250),
        (256, 128),
        (256, 10),
    ]

    loss, gradients = small.gradients(images, labels)
    large, _ = un.lower(un.zoo.lenet(), backend, weights=weights(1.0)).gradients(images, labels)
    steepest = max(np.abs(gradient).max() for name, gradient in gradients.items() if name.startswith("conv"))
    print(f"loss with N(0, 0.01^2): {loss:.6f} (ln 10 is {np.log(10):.6f}), largest gradient of a kernel {steepest:.1e}")
    print(f"loss with N(0, 1): {large:,.0f}")
    assert abs(loss - np.log(10)) < 1e-3
    assert large > 1000


if __name__ == "__main__":
    typer.run(main)
