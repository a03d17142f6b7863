"""Several channels in and out, as the PyTorch tutorial computes them by hand, on any backend.

Where the original compares a 1x1 convolution with a matrix product by a sum of differences below 1e-6, which another
machine may miss by rounding alone, this compares each value with the bound that every order of addition keeps.
"""

import numpy as np
import typer

import unicnn as un

X = np.stack([np.arange(9.0), np.arange(1.0, 10)]).reshape(1, 2, 3, 3).astype(np.float32)
K = np.stack([np.arange(4.0), np.arange(1.0, 5)]).reshape(2, 2, 2).astype(np.float32)


def conv(backend, x, weight):
    model = un.Sequential([("conv", un.Conv2d(len(weight), weight.shape[2:], bias=False))], input=x.shape[1:])
    return un.lower(model, backend, weights={"conv.weight": weight})(x)


def main(backend: str = "numpy"):
    one = conv(backend, X, K[None])
    print("two channels, summed:", one[0, 0].tolist())
    assert (one[0, 0] == [[56, 72], [104, 120]]).all()

    three = conv(backend, X, np.stack([K, K + 1, K + 2]))
    print("three channels out:", three[0].tolist())
    assert (three[0] == [[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]).all()

    x = un.initial_weights(un.Sequential([un.Linear(9, bias=False)], input=(3,)), init={"weight": un.Normal(1)})[
        "linear1.weight"
    ].T.reshape(1, 3, 3, 3)
    k = un.initial_weights(un.Sequential([un.Conv2d(2, 1, bias=False)], input=(3, 3, 3)), init={"weight": un.Normal(1)})["conv1.weight"]
    y = conv(backend, np.ascontiguousarray(x), k).reshape(2, 9)
    product = k.reshape(2, 3).astype(np.float64) @ x.reshape(3, 9)
    bound = 4 * 2.0**-24 * np.abs(k.reshape(2, 3)).astype(np.float64) @ np.abs(x.reshape(3, 9))
    print(f"1x1 convolution and matrix product: largest difference {np.abs(y - product).max():.1e}")
    assert (np.abs(y - product) <= bound).all()


if __name__ == "__main__":
    typer.run(main)
