"""Relations of every op, and those of pooling, normalisation, softmax and relu."""

from __future__ import annotations

from typing import Any

import numpy as np

from unicnn.conformance.case import Data, Setting
from unicnn.conformance.relations.asking import Asker, Pairs, changed, taken
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d


def batch(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Compute every sample alone, and the batch in reverse."""
    op, held = taken(setting, data)
    together = ask(op, *data.inputs, **held)
    for sample in range(setting.batch):
        yield ask(op, *(x[sample : sample + 1] for x in data.inputs), **held), together[sample : sample + 1]
    yield ask(op, *(np.ascontiguousarray(x[::-1]) for x in data.inputs), **held), together[::-1]


def poisoned_neighbour(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Make one sample NaN, and look at the others."""
    op, held = taken(setting, data)
    clean = ask(op, *data.inputs, **held)
    inputs = [np.array(x) for x in data.inputs]
    inputs[0][0] = np.nan
    with np.errstate(all="ignore"):
        yield ask(op, *inputs, **held)[1:], clean[1:]


def strided_memory(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Give the same values in other orders of memory."""
    op, held = taken(setting, data)
    output = ask(op, *data.inputs, **held)
    yield ask(op, *(np.asfortranarray(x) for x in data.inputs), **held), output
    every_other = [np.repeat(x, 2, axis=-1)[..., ::2] for x in data.inputs]
    yield ask(op, *every_other, **held), output
    backwards = [np.ascontiguousarray(x[:, ::-1])[:, ::-1] for x in data.inputs]
    yield ask(op, *backwards, **held), output
    last = [np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) for x in data.inputs]
    yield ask(op, *last, **held), output
    turned: dict[str, Any] = {key: np.asfortranarray(value) for key, value in held.items()}
    yield ask(op, *data.inputs, **turned), output
    given = [ask.gradients(op, *data.inputs, cotangent=y, **held) for y in (data.cotangent, np.asfortranarray(data.cotangent))]
    for name, value in given[0].items():
        yield given[1][name], value


def twice(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Compute everything twice."""
    op, held = taken(setting, data)
    first = np.array(ask(op, *data.inputs, mode=setting.mode, **held))
    yield ask(op, *data.inputs, mode=setting.mode, **held), first
    gradients = [ask.gradients(op, *data.inputs, cotangent=data.cotangent, mode=setting.mode, **held) for _ in range(2)]
    for name, value in gradients[0].items():
        yield value, gradients[1][name]


def untouched(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Look at inputs and cotangent, which may be written to, after everything was computed from them."""
    op, held = taken(setting, data)
    inputs, cotangent = [np.array(x) for x in data.inputs], np.array(data.cotangent)
    ask(op, *inputs, mode=setting.mode, **held)
    ask.gradients(op, *inputs, cotangent=cotangent, mode=setting.mode, **held)
    yield from zip((*inputs, cotangent), (*data.inputs, data.cotangent), strict=True)


def turned(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Exchange height and width of everything: inputs, kernels, fields and the result."""
    op, held = taken(setting, data)
    names = [name for name in ("kernel_size", "stride", "dilation", "output_padding", "padding") if hasattr(op, name)]
    fields = {name: getattr(op, name)[::-1] for name in names if getattr(op, name) != "same"}
    if "weight" in held:
        held["weight"] = held["weight"].swapaxes(2, 3)
    other = changed(op, **fields)
    x = np.ascontiguousarray(data.inputs[0].swapaxes(2, 3))
    yield ask(other, x, **held), ask(op, *data.inputs, **taken(setting, data)[1]).swapaxes(2, 3)


def tiles(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Take the maximum of windows of windows at once."""
    (op, _), x = taken(setting, data), data.inputs[0]
    rows, cols = op.kernel_size
    x = np.tile(x, (1, 1, -(-2 * rows // x.shape[2]), -(-2 * cols // x.shape[3])))
    yield ask(MaxPool2d((2 * rows, 2 * cols)), x), ask(MaxPool2d(2), ask(MaxPool2d((rows, cols)), x))


def monotone(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Raise the input: no maximum falls, and adding a constant adds it."""
    output = ask(setting.op, *data.inputs)
    raised = ask(setting.op, *(x + np.abs(np.ascontiguousarray(x[::-1])) for x in data.inputs))
    yield np.maximum(raised, output), raised
    yield ask(setting.op, *(x + np.float32(16) for x in data.inputs)), output + np.float32(16)


def averaged(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Average everything, in two ways."""
    shape = data.inputs[0].shape[2:]
    yield ask(AdaptiveAvgPool2d(1), *data.inputs), ask(AvgPool2d(shape), *data.inputs)


def softmax_shifted(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Add a constant to all scores."""
    output = ask(setting.op, *data.inputs)
    for constant in (np.float32(32), np.float32(-7)):
        yield ask(setting.op, data.inputs[0] + constant), output


def classes_permuted(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Reverse the classes."""
    axis = setting.graph().nodes[0].attributes["axis"]
    yield ask(setting.op, np.ascontiguousarray(np.flip(data.inputs[0], axis))), np.flip(ask(setting.op, *data.inputs), axis)


def norm_scaled(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Scale the input by a power of two and eps by its square: a training batch norm does not see it."""
    op, held = taken(setting, data)
    other = changed(op, eps=op.eps * 64.0)
    yield ask(other, data.inputs[0] * np.float32(8), mode="training", **held), ask(op, *data.inputs, mode="training", **held)


def idempotent(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Apply the op to its own output."""
    output = ask(setting.op, *data.inputs)
    yield ask(setting.op, output), output
