"""Products with matrices."""

import numpy as np

from unicnn_numpy.emitting.layers.base import Layer


class Linear(Layer):
    """Multiply vectors by a matrix of shape (out, in)."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__(weight=np.zeros((out_features, in_features), np.float32))
        if bias:
            self.parameters["bias"] = np.zeros(out_features, np.float32)

    def __call__(self, x, training=False):
        self.x = x
        y = x @ self.parameters["weight"].T
        return y + self.parameters["bias"] if "bias" in self.parameters else y

    def backward(self, dy):
        self.gradients["weight"] = dy.T @ self.x
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum(0)
        return (dy @ self.parameters["weight"],)
