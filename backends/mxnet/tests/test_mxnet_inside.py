"""What is specific to MXNet: its import, its compiled objects, its train mode, and the kernels that had to be avoided."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.ops import GELU, ConvTranspose2d, MaxPool2d, ReLU6, SquaredError

pytest.importorskip("unicnn_mxnet.compat", reason="MXNet is not installed", exc_type=ImportError)

SMALL = un.Sequential([un.Conv2d(4, 3), un.BatchNorm2d(), un.ReLU(), un.MaxPool2d(2), un.Flatten(), un.Linear(3)], input=(2, 8, 7))
OPS = {"float32": "native", "float64": "float64"}


def batch(size: int, *, seed: int = 0, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((size, 2, 8, 7)).astype(dtype), rng.integers(0, 3, size)


def fresh_python(code: str) -> str:
    return subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="imported first"),
        pytest.param(
            "import contextlib\nwith contextlib.suppress(AttributeError): import mxnet.base", id="after an import of mxnet that failed"
        ),
    ],
)
def test_importing_mxnet_leaves_numpy_as_it_was(before: str) -> None:
    code = (
        "import numpy as np; names = {'bool'} & set(vars(np))\n"
        f"import warnings; warnings.filterwarnings('ignore', 'In the future')\n{before}\n"
        "from unicnn_mxnet.compat import mx; mx.autograd; print(names == {'bool'} & set(vars(np)))"
    )
    assert fresh_python(code).strip() == "True"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_tensor_keeps_the_dtype_and_the_values_of_its_array(dtype: str) -> None:
    runtime = un.lower(SMALL, "mxnet").runtime
    array = np.array([[1, 2**24 + 1], [3, 4]], dtype)[:, ::-1]
    array.flags.writeable = False
    tensor = runtime.tensor(array)
    assert runtime.dtype_of(tensor) == dtype
    assert (runtime.array(tensor) == array).all()


def test_float64_is_float64_throughout() -> None:
    program = un.lower(SMALL, "mxnet", numerics="float64")
    x, labels = batch(3, dtype="float64")
    assert {value.dtype for value in program.outputs(x).values()} == {np.dtype("float64")}
    nudged = x + 1e-12  # lost in float32
    assert 0 < np.abs(program(nudged) - program(x)).max() < 1e-10
    assert program.gradients(nudged, labels)[0] != program.gradients(x, labels)[0]


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_later_calls_leave_earlier_results_alone(mode: str) -> None:
    program = un.lower(SMALL, "mxnet")
    tensors = [program.runtime.tensor(batch(4, seed=seed)[0]) for seed in range(6)]
    results = [program(tensor, mode=mode) for tensor in tensors]
    again = un.lower(SMALL, "mxnet")
    for tensor, result in zip(tensors, results, strict=True):
        assert (program.runtime.array(again(tensor, mode=mode)) == program.runtime.array(result)).all()


def test_a_result_that_is_an_argument_does_not_share_its_memory() -> None:
    program = un.lower(un.Sequential([un.Identity()], input=(3,)), "mxnet")
    x = program.runtime.tensor(np.ones((2, 3), np.float32))
    program(x)[:] = 7
    assert (program.runtime.array(x) == 1).all()


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_one_compiled_object_serves_several_batch_sizes_and_weights(mode: str) -> None:
    """Compare with a program that is new each time; with settled parameters MXNet writes their gradients only once."""
    program = un.lower(SMALL, "mxnet")
    for seed, size in enumerate([4, 7, 2, 7, 4]):
        x, labels = batch(size, seed=seed)
        weights = un.lower(SMALL, "mxnet", seed=seed).weights()
        program.load(weights)
        expected = un.lower(SMALL, "mxnet", weights=weights)
        assert (program(x, mode=mode) == expected(x, mode=mode)).all()
        found, wanted = program.gradients(x, labels, mode=mode)[1], expected.gradients(x, labels, mode=mode)[1]
        for name, gradient in wanted.items():
            # A thousand roundings of the largest value; a gradient that was not written would be off by all of it.
            assert np.abs(found[name] - gradient).max() <= 1000 * 2.0**-24 * np.abs(gradient).max() > 0, name


@pytest.mark.parametrize(
    "run", [lambda p, x, y: p(x, mode="training"), lambda p, x, y: p.gradients(x, y, mode="training")], ids=["forward", "gradients"]
)
def test_running_statistics_move_once_and_by_the_batch(run: Callable[..., object]) -> None:
    model = un.Sequential([un.BatchNorm2d(keep=0.75, running_var="unbiased"), un.Flatten(), un.Linear(3)], input=(2, 8, 7))
    program = un.lower(model, "mxnet", numerics="float64")
    x, labels = batch(5, dtype="float64")
    run(program, x, labels)
    found = program.weights()
    roundings = 4 * x.size // x.shape[1] * 2.0**-53  # of two sums over the batch, on either side
    mean, var = 0.25 * x.mean((0, 2, 3)), 0.75 + 0.25 * x.var((0, 2, 3), ddof=1)
    assert (np.abs(found["norm1.mean"] - mean) <= roundings * np.abs(x).mean((0, 2, 3))).all()
    assert (np.abs(found["norm1.var"] - var) <= roundings * (1 + (x * x).mean((0, 2, 3)))).all()
    assert np.abs(mean).min() > 1e-3


def test_the_old_statistics_stay_as_they_were_for_whoever_holds_them() -> None:
    program = un.lower(SMALL, "mxnet")
    before = {name: program.parameters[name] for name in ("norm1.mean", "norm1.var")}
    x, labels = batch(5)
    program.gradients(x, labels, mode="training")
    program.runtime.synchronize()
    assert (program.runtime.array(before["norm1.mean"]) == 0).all()
    assert (program.runtime.array(before["norm1.var"]) == 1).all()


def test_gradients_leave_no_mark_on_the_tensor_they_were_taken_at() -> None:
    program = un.lower(SMALL, "mxnet")
    x, labels = batch(2)
    tensor = program.runtime.tensor(x)
    program.gradients(tensor, labels)
    assert tensor.grad is None


@pytest.mark.parametrize("numerics", OPS.values(), ids=OPS)
def test_max_pool_by_slices_gives_nan_for_nan_and_minus_inf_for_minus_inf(numerics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unicnn_mxnet.pool.AVX512", False)
    program = un.lower(un.Sequential([MaxPool2d(2)], input=(1, 2, 4)), "mxnet", numerics=numerics)
    x = np.full((1, 1, 2, 4), -np.inf, np.float32)
    x[0, 0, 1, 2] = np.nan
    assert np.array_equal(program(x).ravel(), [-np.inf, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    "window", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 2, "padding": "same"}], ids=str
)
@pytest.mark.parametrize("numerics", ["native", "float64", "identical"])
def test_max_pool_is_the_same_on_every_processor(numerics: str, window: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(-2, 3, (3, 16, 8, 7)).astype(np.float32)  # with ties
    found = []
    for has in (False, True):
        monkeypatch.setattr("unicnn_mxnet.pool.AVX512", has)
        program = un.lower(un.Sequential([MaxPool2d(**window)], input=x.shape[1:]), "mxnet", numerics=numerics)
        y = program(x)
        found.append([y, *program.vjp(x, np.arange(y.size, dtype=np.float32).reshape(y.shape))[1].values()])
    for one, other in zip(*found, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("numerics", OPS.values(), ids=OPS)
def test_relu6_is_flat_at_both_corners(numerics: str) -> None:
    program = un.lower(un.Sequential([ReLU6()], input=(5,)), "mxnet", numerics=numerics)
    x = np.array([[-1, 0, 3, 6, 7]], np.float32)
    gradient = program.gradients(x, np.zeros_like(x) - 0.5, SquaredError(1.0, "sum"))[1]["input"]
    assert gradient.tolist() == [[0, 0, 7, 0, 0]]


def test_the_derivative_of_gelu_is_float64_in_float64() -> None:
    program = un.lower(un.Sequential([GELU()], input=(1,)), "mxnet", numerics="float64")
    x = np.array([[1.0]])
    found = program.gradients(x, program(x) - 0.5, SquaredError(1.0, "sum"))[1]["input"].item()
    wanted = 0.5 * (1 + math.erf(math.sqrt(0.5))) + math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert abs(found - wanted) < 1e-14  # with MXNet's derivative of erf it is 7e-9 off


@pytest.mark.parametrize("stride", [1, 2, (3, 2)], ids=str)
@pytest.mark.parametrize("dilation", [1, 2, (2, 3)], ids=str)
def test_transposed_convolution_is_the_same_with_and_without_onednn(stride: object, dilation: object) -> None:
    """Integers are exact in both dtypes; only float32 runs in oneDNN, and each has geometries that it gets wrong."""
    op = ConvTranspose2d(4, 3, stride=stride, dilation=dilation, groups=2, padding=((0, 1), (2, 0)))  # type: ignore[arg-type]
    model = un.Sequential([op], input=(2, 5, 6))
    programs = [un.lower(model, "mxnet", numerics=numerics) for numerics in OPS.values()]
    rng = np.random.default_rng(0)
    weights = {name: rng.integers(-8, 9, value.shape).astype(np.float64) for name, value in programs[0].weights().items()}
    x = rng.integers(-8, 9, (2, 2, 5, 6)).astype(np.float32)
    found = []
    for program in programs:
        program.load({name: value.astype(program.numerics.dtype) for name, value in weights.items()})
        y = program(x)
        found.append({"y": y, **program.gradients(x, (y > 0).astype(np.float32), SquaredError(0.5, "sum"))[1]})
    for name, value in found[1].items():
        assert (found[0][name] == value).all(), name


NUMBERS = [*(2.0**k for k in range(-140, 140, 3)), *(1 / n for n in range(3, 60)), *np.random.default_rng(0).standard_normal(80).tolist()]


def test_numbers_beside_exact_arrays_are_taken_as_they_are() -> None:
    from unicnn_mxnet.compat import mx
    from unicnn_mxnet.exactly import Exact, exactly

    ones = exactly(mx.nd.ones((3, 2), dtype="float64"))
    for number in NUMBERS:
        for found, wanted in (
            (ones * number, number), (number * ones, number), (ones + number, 1 + number), (ones - number, 1 - number),
            (number - ones, number - 1), (number / ones, number), (ones / number, 1 / number),
        ):  # fmt: skip
            assert isinstance(found, Exact)
            assert (found.asnumpy() == wanted).all(), number
        assert (ones * number >= number).asnumpy().all()
        assert not (ones * number < number).asnumpy().any()


def test_mxnet_itself_misreads_numbers() -> None:
    """If this fails, MXNet reads numbers rightly, and `exactly` is no longer needed."""
    from unicnn_mxnet.compat import mx

    ones = mx.nd.ones((1,), dtype="float64")
    assert any((ones * number).asscalar() != number for number in NUMBERS)


def test_the_largest_magnitude_of_what_onednn_reordered_is_right() -> None:
    from unicnn_mxnet import exact
    from unicnn_mxnet.compat import mx

    x = mx.nd.array(np.random.default_rng(0).standard_normal((2, 16, 9, 9)), dtype="float32")
    weight = mx.nd.array(np.random.default_rng(1).standard_normal((32, 16, 3, 3)), dtype="float32")
    y = mx.nd.Convolution(x, weight, no_bias=True, num_filter=32, kernel=(3, 3))  # its result lies in blocks of channels
    assert (exact.largest(y, (1, 2, 3)).asnumpy().ravel() == np.abs(y.asnumpy()).max((1, 2, 3))).all()


def test_passes_and_operators_give_the_same_bits() -> None:
    """The operators are for a GPU, where only they can run."""
    from unicnn_mxnet import operators, passes
    from unicnn_mxnet.compat import mx
    from unicnn_mxnet.exactly import lent

    rng = np.random.default_rng(0)
    x = rng.standard_normal((70, 20, 12, 12)).astype(np.float32)
    x[::3, 1, ::2] *= np.float32(2.0**-126)
    wide, step = x.astype(np.float64) * (1 / 3), 1.5 * 2.0 ** rng.integers(41, 44, (70, 1, 1, 1)).astype(np.float64)
    gain, offset = rng.standard_normal((2, 1, 20, 1, 1)).astype(np.float32).astype(np.float64)

    def given(array: np.ndarray) -> Any:
        return mx.nd.array(array, dtype=array.dtype)

    calls: dict[str, Callable[[Any], Any]] = {
        "widen": lambda m: m.widen(given(x)),
        "narrow": lambda m: m.narrow(given(wide)),
        "narrow with an offset": lambda m: m.narrow(given(wide), offset=given(offset)),
        "narrow with a gain": lambda m: m.narrow(given(x), gain=given(gain), offset=given(offset)),
        "snap": lambda m: m.snap(given(x), given(step)),
        "differences of snapped values": lambda m: m.snap(given(x), given(step)) - m.snap(given(x), given(step * 4)),
        "sum of snapped values": lambda m: m.sum(m.snap(given(x), given(step)), (0, 2, 3)),
        **{f"square_sum over {axes}": partial(lambda m, axes: m.square_sum(given(x), given(step), axes), axes=axes)
           for axes in ((), (1,), (0, 2, 3), (3,))},
        **{f"largest over {axes}": partial(lambda m, axes: m.largest(given(x), axes), axes=axes) for axes in ((0, 2, 3), (1, 2, 3), (1,), (2, 3))},
        "where": lambda m: m.where(m.widen(given(x)) > 0.0, m.widen(given(x)), 0.0),
        "exponent": lambda m: m.exponent(given(wide)),
        "power": lambda m: m.power(m.exponent(given(wide))),
        "rint": lambda m: m.rint(given(wide * 8)) + 0.0,
    }  # fmt: skip
    for name, call in calls.items():
        found, wanted = (lent(call(module)) for module in (passes, operators))
        assert found.shape == wanted.shape, name
        assert found.dtype == wanted.dtype, name
        assert found.tobytes() == wanted.tobytes(), name


def test_memory_is_used_again_only_once_nothing_reads_it() -> None:
    from unicnn_mxnet import memory
    from unicnn_mxnet.compat import mx
    from unicnn_mxnet.exactly import of

    def place(array: np.ndarray) -> int:
        return array.__array_interface__["data"][0]

    shape = (3, 41, 1009)
    array = memory.empty(shape, np.float64)
    array[...] = 1.0
    first, part = place(array), array[1:]
    tensor = of(array)
    total = mx.nd.sum(tensor)
    del array, tensor
    assert place(memory.empty(shape, np.float64)) != first
    assert total.asscalar() == math.prod(shape)
    assert part.sum() == math.prod(shape) * 2 / 3
    del part
    mx.nd.waitall()
    assert first in {place(array) for array in [memory.empty(shape, np.float64) for _ in range(3)]}
