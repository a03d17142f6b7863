"""The network of the loops' tests, built by hand in each framework, in float64 or float32."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tests.porting.loops import start


def torch_net(dtype: str = "float64") -> tuple[Any, dict[str, Any]]:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.BatchNorm2d(3, eps=2**-7), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 6)).to(
        getattr(torch, dtype)
    )
    places = {"conv1.weight": net[0].weight, "conv1.bias": net[0].bias, "norm1.scale": net[2].weight, "norm1.shift": net[2].bias}
    places |= {"linear1.weight": net[5].weight, "linear1.bias": net[5].bias}
    with torch.no_grad():
        for name, parameter in places.items():
            parameter.copy_(torch.from_numpy(start()[name]))
    return net, places


def keras_net(dtype: str = "float64") -> tuple[Any, dict[str, Any]]:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    wide, layers = {"dtype": dtype}, keras.layers
    net = keras.Sequential(
        [
            layers.Input((8, 8, 2), **wide),
            layers.Conv2D(3, 3, activation="relu", **wide),
            layers.BatchNormalization(epsilon=2**-7, **wide),
            layers.MaxPooling2D(2, **wide),
            layers.Permute((3, 1, 2), **wide),
            layers.Flatten(**wide),
            layers.Dense(6, **wide),
        ]
    )
    begun = start()
    conv, norm, dense = net.layers[0], net.layers[1], net.layers[-1]
    conv.set_weights([begun["conv1.weight"].transpose(2, 3, 1, 0), begun["conv1.bias"]])
    dense.set_weights([begun["linear1.weight"].T, begun["linear1.bias"]])
    return net, {"conv1": conv, "norm1": norm, "linear1": dense}


def keras_weights(places: dict[str, Any]) -> dict[str, Any]:
    (kernel, conv_bias), (matrix, dense_bias) = places["conv1"].get_weights(), places["linear1"].get_weights()
    found = {"conv1.weight": kernel.transpose(3, 2, 0, 1), "conv1.bias": conv_bias}
    found |= dict(zip(("norm1.scale", "norm1.shift"), places["norm1"].get_weights()[:2], strict=True))
    return found | {"linear1.weight": matrix.T, "linear1.bias": dense_bias}


def gluon_net(dtype: str = "float64") -> tuple[Any, dict[str, Any]]:
    from unicnn_mxnet.compat import mx

    nn = mx.gluon.nn
    net = nn.Sequential()
    net.add(
        nn.Conv2D(3, 3, activation="relu", in_channels=2),
        nn.BatchNorm(epsilon=2**-7, in_channels=3),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(6, in_units=27),
    )
    net.cast(dtype)
    net.initialize()
    conv, norm, dense = net[0], net[1], net[4]
    places = {"conv1.weight": conv.weight, "conv1.bias": conv.bias, "norm1.scale": norm.gamma, "norm1.shift": norm.beta}
    places |= {"linear1.weight": dense.weight, "linear1.bias": dense.bias}
    for name, parameter in places.items():
        parameter.set_data(mx.nd.array(start()[name], dtype=dtype))
    return net, places


class Written:
    """Be the network of NETWORK in NumPy, by einsum over windows."""

    def __init__(self, dtype: str = "float64") -> None:
        held = ("mean", "var")
        self.parameters = {name: array.astype(dtype) for name, array in start().items() if name.rpartition(".")[2] not in held}
        self.gradients: dict[str, Any] = {}

    def __call__(self, x: Any, training: bool = False) -> Any:
        assert training
        p = self.parameters
        self.windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        self.relu = np.maximum(np.einsum("nchwkl,ockl->nohw", self.windows, p["conv1.weight"]) + p["conv1.bias"][:, None, None], 0)
        centered = self.relu - self.relu.mean((0, 2, 3), keepdims=True)
        self.deviation = np.sqrt((centered**2).mean((0, 2, 3), keepdims=True) + 2**-7)
        self.normal = centered / self.deviation
        shifted = self.normal * p["norm1.scale"][:, None, None] + p["norm1.shift"][:, None, None]
        self.cells = shifted.reshape(len(x), 3, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(len(x), 27, 4)
        self.flat = self.cells.max(2)
        return self.flat @ p["linear1.weight"].T + p["linear1.bias"]

    def backward(self, dscores: Any) -> None:
        p, n = self.parameters, len(dscores)
        g = {"linear1.weight": dscores.T @ self.flat, "linear1.bias": dscores.sum(0)}
        best = np.arange(4) == self.cells.argmax(2)[:, :, None]
        cells = np.where(best, (dscores @ p["linear1.weight"])[:, :, None], 0.0)
        dy = cells.reshape(n, 3, 3, 3, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 3, 6, 6)
        g |= {"norm1.scale": (dy * self.normal).sum((0, 2, 3)), "norm1.shift": dy.sum((0, 2, 3))}
        dn = dy * p["norm1.scale"][:, None, None]
        along = self.normal * (dn * self.normal).mean((0, 2, 3), keepdims=True)
        dx = (dn - dn.mean((0, 2, 3), keepdims=True) - along) / self.deviation * (self.relu > 0)
        g |= {"conv1.weight": np.einsum("nohw,nchwkl->ockl", dx, self.windows), "conv1.bias": dx.sum((0, 2, 3))}
        self.gradients = {name: g[name] for name in p}


def jax_net() -> tuple[Any, dict[str, Any]]:
    import jax.numpy as jnp
    from flax import nnx

    kinds = {"dtype": jnp.float64, "param_dtype": jnp.float64, "rngs": nnx.Rngs(0)}

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.conv1 = nnx.Conv(2, 3, (3, 3), padding="VALID", **kinds)
            self.norm1 = nnx.BatchNorm(3, epsilon=2**-7, **kinds)
            self.norm1.mean, self.norm1.var = nnx.BatchStat(jnp.zeros(3)), nnx.BatchStat(jnp.ones(3))  # Flax's are float32
            self.linear1 = nnx.Linear(27, 6, **kinds)

        def __call__(self, x: Any) -> Any:
            x = self.norm1(nnx.relu(self.conv1(x)))
            x = nnx.max_pool(x, (2, 2), (2, 2)).transpose(0, 3, 1, 2)
            return self.linear1(x.reshape(len(x), -1))

    net, begun = Net(), start()
    places = {"conv1.weight": net.conv1.kernel, "conv1.bias": net.conv1.bias, "norm1.scale": net.norm1.scale, "norm1.shift": net.norm1.bias}
    places |= {"linear1.weight": net.linear1.kernel, "linear1.bias": net.linear1.bias}
    orders = {"conv1.weight": (2, 3, 1, 0), "linear1.weight": (1, 0)}
    for name, place in places.items():
        place[...] = jnp.asarray(begun[name].transpose(orders.get(name, (0,))))
    return net, places
