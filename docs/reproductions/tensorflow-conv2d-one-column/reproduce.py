"""Conv2d with TensorFlow: the output is wrong.

Conv2d(1, (1, 2), stride=(1, 2), bias=False) on a value of shape 2x1x2x3, in inference.

tensors.safetensors holds what goes in, the exact results, computed in float64, and how far from them rounding can take a float32
computation, in whatever order it adds. PyTorch, beside it, is right.

    pip install tensorflow torch numpy safetensors
    python reproduce.py

Exits with 1 if TensorFlow is wrong, with 0 if it is right.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def with_tensorflow(data):
    """Return what TensorFlow computes."""
    import tensorflow as tf

    def _by_groups(single, groups):
        """Return a contraction that works group by group; a group is the same part of the last axis of both operands and of the result."""
        return single

    def engine_padding(padding):
        """Return padding as TensorFlow's kernels take it; "VALID" for none, since only that is fused with what follows."""
        (top, bottom), (left, right) = padding
        return "VALID"

    def columns_at_once(x, weight):
        """Return how many columns of the output are worth computing at once."""
        _, _, channels, filters = weight.shape
        return 1

    def _correlate(x, weight, *, stride, padding, dilation):
        columns = columns_at_once(x, weight)
        return tf.nn.conv2d(x, weight, stride, engine_padding(padding))

    def _effective(dilation, weight):
        """Return the dilation with 1 along an axis on which the kernel has one tap."""
        return tuple(1 if k == 1 else d for k, d in zip(weight.shape[:2], dilation, strict=True))

    def conv2d(x, weight, bias, *, stride, padding, dilation, groups):
        correlate = _by_groups(_correlate, groups)
        y = correlate(x, weight, stride=stride, padding=padding, dilation=_effective(dilation, weight))
        return y

    CHANNELS_LAST = (0, 2, 3, 1)

    def _reorder(x, axes, channels):
        sizes = [x.shape[axis] for axis in axes[1:]]
        return tf.reshape(x, (-1, *sizes))  # one channel or one pixel: both orders are the same in memory

    def enter(x):
        """Return a canonical value in the order inside: images as NHWC, everything else as it is."""
        return _reorder(x, CHANNELS_LAST, channels=1)

    def parameter(x, kind):
        """Return a weight in TensorFlow's order: (kh, kw, in, out) for (out, in, kh, kw), and (in, out) for (out, in)."""
        return tf.transpose(x, (2, 3, 1, 0))

    def vjp(function, operands, cotangent):
        """Return function(*operands) and the gradients of sum(output * cotangent) by the operands, computed in a graph."""

        def run(*operands):
            with tf.GradientTape() as tape:
                tape.watch(operands)
                output = function(*operands)
            return output, tape.gradient(output, operands, cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        graph = tf.function(run, autograph=False).get_concrete_function(*operands)
        return graph(*operands)

    def tensor(x):
        return tf.constant(x)

    def array(x):
        return x.numpy()

    CHANNELS_FIRST = (0, 3, 1, 2)

    def leave(x):
        """Return a value inside in canonical order: images as NCHW, everything else as it is."""
        return _reorder(x, CHANNELS_FIRST, channels=3)

    def compute(x, weight):
        return leave(conv2d(enter(x), parameter(weight, 'conv'), None, stride=(1, 2), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1))

    output, gradients = vjp(compute, [tensor(data["x"]), tensor(data["weight"])], tensor(data["cotangent"]))
    return {"output": array(output), "grad_x": array(gradients[0]), "grad_weight": array(gradients[1])}


def with_torch(data):
    """Return what PyTorch computes."""
    import torch
    import torch.nn.functional as F

    def conv2d(x, weight, bias, *, stride, padding, dilation, groups):
        (top, bottom), (left, right) = padding
        return F.conv2d(x, weight, bias, stride, (top, left), dilation, groups)

    def vjp(function, operands, cotangent):
        """Return function(*operands) and the gradients of sum(output * cotangent) by the operands."""
        for operand in operands:
            operand.requires_grad_()
        output = function(*operands)
        return output, torch.autograd.grad(output, operands, cotangent, allow_unused=True, materialize_grads=True)

    def tensor(x):
        return torch.from_numpy(x)

    def array(x):
        return x.detach().numpy()

    def compute(x, weight):
        return conv2d(x, weight, None, stride=(1, 2), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1)

    output, gradients = vjp(compute, [tensor(data["x"]), tensor(data["weight"])], tensor(data["cotangent"]))
    return {"output": array(output), "grad_x": array(gradients[0]), "grad_weight": array(gradients[1])}


FRAMEWORKS = [("TensorFlow", "tensorflow-cpu", with_tensorflow), ("PyTorch", "torch", with_torch)]
SUSPECT = 'TensorFlow'
ERROR = None  # what it raises, if that is the fault


def judged(found, expected, bound):
    """Return the largest error, the largest error as a multiple of what rounding explains, and in words what is wrong there."""
    if found.shape != expected.shape:
        return np.inf, np.inf, f"the shape is {found.shape} and should be {expected.shape}"
    with np.errstate(all="ignore"):
        right = (found == expected.astype(found.dtype)) | ~(bound < 2.028240839472585e+31)  # from there on a sum may overflow
        error = np.where(right, 0, np.abs(found.astype(np.float64) - expected))
        ratio = np.where(right, 0, error / bound)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    place = tuple(int(index) for index in np.unravel_index(ratio.argmax(), ratio.shape))
    return error.max(), ratio.max(), f"at {place} it is {found[place]!s} and should be {expected[place]!s}"


def is_wrong(title, compute, data):
    """Print how far off a framework's results are, and tell whether one is further off than rounding explains."""
    try:
        with np.errstate(all="ignore"):
            found = compute(data)
    except Exception as error:
        if type(error).__name__ != ERROR:
            raise
        print(f"{title} raises {ERROR}: {error}")
        return True
    wrong = False
    for name, array in found.items():
        error, ratio, words = judged(array, data[f"expected.{name}"], data[f"bound.{name}"])
        print(f"{title:12} {name:14} largest error {error:8.2e}, {ratio:8.2g} times what rounding explains")
        if ratio > 1:
            print(f"{'':12} {name:14} {words}")
            wrong = True
    return wrong


def main():
    """Run every framework, and tell whether the one suspected is wrong."""
    data = load_file(Path(__file__).with_name("tensors.safetensors"))
    print(", ".join(f"{title} {version(package)}" for title, package, _ in FRAMEWORKS))
    wrong = [title for title, _, compute in FRAMEWORKS if is_wrong(title, compute, data)]
    print(f"{SUSPECT} is {'wrong' if SUSPECT in wrong else 'right'}")
    return int(SUSPECT in wrong)


if __name__ == "__main__":
    sys.exit(main())
