"""Convolution by hand in mx.nd, and the LeNet of the Gluon tutorial: the printed numbers, on any backend.

What the original got wrong: the bias has the shape (num_filter,), not (1, num_filter); `nd.Pooling` without a stride
takes 1 where Gluon's layer takes the window; and argmax over axis 1 is the best class of each row, not of each column.
"""

import numpy as np
import typer

import unicnn as un


def arange(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def by_hand(backend, op, x, **weights):
    """Return one op's output, a NumPy array."""
    model = un.Sequential([("op", op)], input=x.shape[1:])
    return un.lower(model, backend, weights={f"op.{name}": value for name, value in weights.items()})(x)


def main(backend: str = "numpy"):
    small = un.Conv2d(1, 2, bias=False)
    square = arange(1, 1, 2, 2)
    assert (by_hand(backend, small, arange(1, 1, 3, 3), weight=square) == [[19, 25], [37, 43]]).all()
    assert (by_hand(backend, small, arange(1, 2, 3, 3), weight=arange(1, 2, 2, 2)) == [[268, 296], [352, 380]]).all()
    padded = by_hand(backend, un.Conv2d(1, 2, padding=1, bias=False), arange(1, 1, 3, 3), weight=square)
    assert (padded == [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]).all()
    strided = by_hand(backend, un.Conv2d(1, 2, stride=2, bias=False), arange(1, 1, 4, 4), weight=square)
    assert (strided == [[24, 36], [72, 84]]).all()
    ones = by_hand(backend, un.Conv2d(2, 1), arange(1, 3, 3, 3), weight=arange(2, 3, 1, 1), bias=np.zeros(2, np.float32))
    assert (ones[0, 0] == [[45, 48, 51], [54, 57, 60], [63, 66, 69]]).all()
    assert (ones[0, 1] == [[126, 138, 150], [162, 174, 186], [198, 210, 222]]).all()
    assert (by_hand(backend, un.MaxPool2d(2, stride=1), arange(1, 1, 3, 3)) == [[4, 5], [7, 8]]).all()
    assert (by_hand(backend, un.AvgPool2d(2, stride=1), arange(1, 1, 3, 3)) == [[2, 3], [5, 6]]).all()
    print(f"six computations by hand, padded: {padded[0, 0].tolist()}")

    lenet = un.lower(un.zoo.lenet(), backend, init="gluon", seed=0)
    images, labels = un.fashion_mnist("test", source="embedded").take(256).as_float()
    for name, output in lenet.outputs(images).items():
        print(f"{name:10} {output.shape}")
    loss, gradients = lenet.gradients(images, labels)
    count = sum(gradients[name].size for name in lenet.weights())
    print(f"{count:,} parameters; the loss of 256 images before training is {loss:.4f}, near ln 10 = {np.log(10):.4f}")
    assert count == 170_988


if __name__ == "__main__":
    typer.run(main)
