"""The subclassed Keras CNN: its shapes and parameters, and what to mind when its weights move to another framework.

Three things in the original are easy to lose. Its flatten is in the order height, width, channels, so the rows of the
first dense weight must be permuted. Its softmax is part of the model and the loss takes probabilities; here the model
ends in raw scores, and CrossEntropy takes those: applying it to probabilities would raise nothing and be wrong. And
its loss is the sum over the batch, which Adam hides and SGD would not.
"""

import numpy as np
import typer

import unicnn as un


def from_keras_dense(kernel, channels, height, width):
    """Return a Keras dense kernel (H*W*C, out) that follows a flatten as a weight (out, C*H*W)."""
    return kernel.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(kernel.shape[1], -1)


def main(backend: str = "numpy"):
    model = un.zoo.tf_cnn()
    program = un.lower(model, backend, init="keras", seed=0)
    images, labels = un.fashion_mnist("train", source="embedded").take(50).as_float()
    outputs = program.outputs(images)
    shapes = [outputs[name].shape[1:] for name in ("conv1", "pool1", "conv2", "pool2", "flatten1", "linear1", "linear2")]
    print("shapes:", shapes)
    assert shapes == [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (3136,), (1024,), (10,)]
    assert un.infer(model).size == 3_274_634

    kernel = np.arange(3136 * 2, dtype=np.float32).reshape(3136, 2)
    weight = from_keras_dense(kernel, 64, 7, 7)
    pixels = outputs["pool2"][:1]
    as_keras = pixels.transpose(0, 2, 3, 1).reshape(1, -1).astype(np.float64) @ kernel
    assert np.array_equal(pixels.reshape(1, -1).astype(np.float64) @ weight.T.astype(np.float64) > 0, as_keras > 0)
    wrong = pixels.reshape(1, -1).astype(np.float64) @ kernel
    print(f"dense after flatten: {as_keras[0, 0]:.0f} in Keras, {wrong[0, 0]:.0f} if the rows are not permuted")
    assert not np.array_equal(wrong, as_keras)

    total, _ = program.gradients(images, labels, un.CrossEntropy("sum"))
    print(f"summed loss of the first batch: {total:.2f}; 50 ln 10 is {50 * np.log(10):.2f}")
    assert 80 < total < 160


if __name__ == "__main__":
    typer.run(main)
