"""Which variance a batch normalisation keeps: a subclass may keep another than Flax's own, which a batch shows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unicnn.errors import PortError
from unicnn_jax.importing.tracing import Split


def unbiased(net: nnx.Module) -> frozenset[str]:
    """Return the paths of the batch normalisations that keep the unbiased variance."""
    split = Split(net)
    found, known = set(), dict[Any, bool]()
    for path, module in nnx.iter_modules(net):
        if isinstance(module, nnx.BatchNorm) and type(module) is not nnx.BatchNorm:
            kind = _settings(module)
            if kind not in known:
                known[kind] = _keeps_unbiased(module)
            if known[kind]:
                found.add(split.name(path))
    return frozenset(found)


def _settings(layer: nnx.BatchNorm) -> Any:
    """Return what layers have in common that do the same, however many features they have."""
    plain = {name: value for name, value in vars(layer).items() if isinstance(value, (bool, int, float, str)) and name != "num_features"}
    return type(layer), tuple(sorted(plain.items()))


def _keeps_unbiased(layer: nnx.BatchNorm) -> bool:
    """Tell what a copy of a layer does with a batch of five samples."""
    with jax.enable_x64(True):
        split = Split(layer)
        copy = split.merged({name: jnp.asarray(np.asarray(array), jnp.float64) for name, array in split.arrays.items()}, training=True)
        x = np.random.default_rng(0).normal(size=(5, layer.num_features))
        before = np.asarray(copy.var[...])
        copy(jnp.asarray(x))
        after = np.asarray(copy.var[...])
    for correction in (0, 1):
        if np.allclose(after, layer.momentum * before + (1 - layer.momentum) * x.var(0, ddof=correction), rtol=1e-9, atol=0):
            return bool(correction)
    raise PortError(
        f"A {type(layer).__name__} keeps a running variance that is neither the biased nor the unbiased one of its batches. Use nnx.BatchNorm."
    )
