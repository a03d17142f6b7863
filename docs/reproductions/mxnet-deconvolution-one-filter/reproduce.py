"""ConvTranspose2d with MXNet: it raises MXNetError.

ConvTranspose2d(1, 1) on a value of shape 1x16x1x1, in inference.

tensors.safetensors holds what goes in, the exact results, computed in float64, and how far from them rounding can take a float32
computation, in whatever order it adds. PyTorch, beside it, is right.

    pip install mxnet==1.9.1 'numpy<2' torch numpy safetensors
    python reproduce.py

Exits with 1 if MXNet is wrong, with 0 if it is right.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def with_mxnet(data):
    """Return what MXNet computes."""
    import contextlib
    import numpy as np
    import warnings

    @contextlib.contextmanager
    def old_numpy():
        """Give NumPy back, inside, the name `bool` that it dropped in 1.24; MXNet reads it once, while it is imported."""
        np.bool = bool
        try:
            yield
        finally:
            del np.bool

    with old_numpy(), warnings.catch_warnings():
        # It greets a newer NumPy and distutils with a dozen warnings, none of which concerns what is used here.
        warnings.simplefilter("ignore")
        import mxnet as mx

    def namespace(x):
        """Return the functions that take `x`: mx.sym for a symbol, mx.nd for an array."""
        return mx.nd

    def _present(*operands):
        return [operand for operand in operands if operand is not None]

    def shape(x):
        """Return the shape of `x`; a symbol's batch axis has the example's size, on which nothing may be built."""
        return x.shape

    def conv_transpose2d(x, weight, bias, *, stride, crop, dilation, groups):
        op = namespace(x)
        _, channels, *kernel = shape(weight)
        (top, bottom), (left, right) = crop
        extra = (top - bottom, left - right)
        common = {
            "num_filter": channels * groups, "kernel": tuple(kernel), "stride": stride, "dilate": dilation, "num_group": groups,
        }
        return op.Deconvolution(*_present(x, weight, bias), no_bias=bias is None, pad=(top, left), adj=extra, **common)

    def vjp(function, operands, cotangent):
        """Return function(*operands) and the gradients of sum(output * cotangent) by the operands."""
        gradients = [mx.nd.zeros_like(operand) for operand in operands]
        mx.autograd.mark_variables(operands, gradients)
        with mx.autograd.record(train_mode=True):
            output = function(*operands)
        mx.autograd.backward([output], [cotangent], train_mode=True)
        return output, gradients

    def tensor(x):
        return mx.nd.array(x, dtype=x.dtype)

    def array(x):
        return x.asnumpy()

    def compute(x, weight, bias):
        return conv_transpose2d(x, weight, bias, stride=(1, 1), crop=((0, 0), (0, 0)), dilation=(1, 1), groups=1)

    output, gradients = vjp(compute, [tensor(data["x"]), tensor(data["weight"]), tensor(data["bias"])], tensor(data["cotangent"]))
    return {
        "output": array(output),
        "grad_x": array(gradients[0]),
        "grad_weight": array(gradients[1]),
        "grad_bias": array(gradients[2]),
    }


def with_torch(data):
    """Return what PyTorch computes."""
    import torch
    import torch.nn.functional as F

    def conv_transpose2d(x, weight, bias, *, stride, crop, dilation, groups):
        (top, bottom), (left, right) = crop
        extra = (top - bottom, left - right)
        return F.conv_transpose2d(x, weight, bias, stride, (top, left), extra, groups, dilation)

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

    def compute(x, weight, bias):
        return conv_transpose2d(x, weight, bias, stride=(1, 1), crop=((0, 0), (0, 0)), dilation=(1, 1), groups=1)

    output, gradients = vjp(compute, [tensor(data["x"]), tensor(data["weight"]), tensor(data["bias"])], tensor(data["cotangent"]))
    return {
        "output": array(output),
        "grad_x": array(gradients[0]),
        "grad_weight": array(gradients[1]),
        "grad_bias": array(gradients[2]),
    }


FRAMEWORKS = [("MXNet", "mxnet", with_mxnet), ("PyTorch", "torch", with_torch)]
SUSPECT = 'MXNet'
ERROR = 'MXNetError'  # what it raises, if that is the fault


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
