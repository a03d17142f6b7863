"""Every operator that is read, in all its options: what the tape says computes what ONNX Runtime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.porting.interpret import distance, outputs
from unicnn.errors import PortError
from unicnn.porting.lifting import lift
from unicnn.porting.tape import Recording

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
importer = pytest.importorskip("unicnn_onnx.importer")

IMAGE = "float[N,4,7,6] x"
SINGLE = 2e-5
"""How far float32 may be from float64, relative to the largest value: a few hundred roundings, and results at most that much smaller."""


def model(body: str, given: str = IMAGE, opset: int = 20, result: str = "y", weights: str = "") -> Any:
    """Return a model from the text of its nodes; its weights are drawn."""
    net = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> net ({given}) => (float {result}) {{ {body} }}')
    rng = np.random.default_rng(7)
    for name, *sizes in (item.split() for item in weights.split(",") if item):
        array = (
            np.abs(rng.normal(size=[int(size) for size in sizes])) + 0.5
            if name == "var"
            else rng.normal(size=[int(size) for size in sizes])
        )
        net.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    return net


def recorded(net: Any, *shapes: tuple[int, ...]) -> Recording:
    return importer.record(net, shapes or ((2, 4, 7, 6),), training=False)


def drawn(recording: Recording, seed: int = 3) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * 2 for _, shape in recording.tape.inputs]


def apart(recording: Recording, dtype: str = "float32") -> float:
    """Return how far a run of the original is from what the tape says."""
    given = drawn(recording)
    ran = recording.runner.run(given, [], dtype)
    return max(
        distance(wanted.astype(np.float64), found) for wanted, found in zip(ran.outputs, outputs(recording.tape, given), strict=True)
    )


W3 = "w 6 4 3 3, b 6"
CASES = [
    ("a convolution as it comes", "y = Conv(x, w)", W3),
    ("a convolution with four paddings", "y = Conv<pads=[1,2,0,1], strides=[2,1]>(x, w, b)", W3),
    ("a convolution with an odd pixel before", 'y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w, b)', "w 6 4 2 3, b 6"),
    ("a convolution that says it does not pad", 'y = Conv<auto_pad="VALID", strides=[2,2]>(x, w, b)', W3),
    ("a grouped convolution", "y = Conv<group=2>(x, w)", "w 6 2 3 3"),
    ("a transposed convolution", "y = ConvTranspose<strides=[2,3]>(x, w, b)", "w 4 5 3 3, b 5"),
    ("a transposed convolution with four paddings and more", "y = ConvTranspose<strides=[2,2], pads=[1,0,0,2], output_padding=[1,0]>(x, w)", "w 4 5 3 3"),
    ("a transposed convolution of a given size", "y = ConvTranspose<strides=[2,2], output_shape=[14,12]>(x, w)", "w 4 5 3 3"),
    ("a transposed convolution of a given size, upper", 'y = ConvTranspose<strides=[2,2], output_shape=[14,12], auto_pad="SAME_UPPER">(x, w)', "w 4 5 3 3"),
    ("a transposed convolution that keeps the size", 'y = ConvTranspose<strides=[2,2], auto_pad="SAME_LOWER">(x, w)', "w 4 5 3 3"),
    ("a grouped dilated transposed convolution", "y = ConvTranspose<group=2, dilations=[2,1]>(x, w)", "w 4 3 2 3"),
    ("batch normalisation", "y = BatchNormalization<epsilon=0.01, momentum=0.8>(x, s, b, m, var)", "s 4, b 4, m 4, var 4"),
    ("layer normalisation", "y = LayerNormalization(x, s, b)", "s 6, b 6"),
    ("layer normalisation from an axis, without a shift", "y = LayerNormalization<axis=1, epsilon=0.001>(x, s)", "s 4 7 6"),
    ("maximum, stride 1 by default", "y = MaxPool<kernel_shape=[2,3]>(x)", ""),
    ("maximum with paddings", "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,0,1,2]>(x)", ""),
    ("maximum rounding up", "y = MaxPool<kernel_shape=[2,2], strides=[2,4], ceil_mode=1>(x)", ""),
    ("maximum rounding up, a window in the padding dropped", "y = MaxPool<kernel_shape=[2,2], strides=[3,3], pads=[1,1,1,1], ceil_mode=1>(x)", ""),
    ("maximum with an odd pixel before", 'y = MaxPool<kernel_shape=[2,2], auto_pad="SAME_LOWER">(x)', ""),
    ("mean without the padding", "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)", ""),
    ("mean with the padding", "y = AveragePool<kernel_shape=[3,2], pads=[1,1,1,0], count_include_pad=1>(x)", ""),
    ("mean rounding up", "y = AveragePool<kernel_shape=[2,2], strides=[2,4], ceil_mode=1, count_include_pad=1, pads=[1,0,0,1]>(x)", ""),
    ("mean with an odd pixel after", 'y = AveragePool<kernel_shape=[2,2], strides=[2,2], auto_pad="SAME_UPPER">(x)', ""),
    ("global mean", "y = GlobalAveragePool(x)", ""),
    ("global maximum", "y = GlobalMaxPool(x)", ""),
    *((f"the function {name}", f"y = {name}(x)", "") for name in ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Gelu", "Identity")),
    ("a leaky function with a slope", "y = LeakyRelu<alpha=0.3>(x)", ""),
    ("an exponential function with a factor", "y = Elu<alpha=0.5>(x)", ""),
    ("a hard sigmoid of PyTorch", "y = HardSigmoid<alpha=0.16666667, beta=0.5>(x)", ""),
    ("an approximate gelu", 'y = Gelu<approximate="tanh">(x)', ""),
    ("softmax along the last axis", "y = Softmax(x)", ""),
    ("softmax along the channels", "y = Softmax<axis=1>(x)", ""),
    ("log softmax", "y = LogSoftmax<axis=-3>(x)", ""),
    ("flattening", "y = Flatten(x)", ""),
    ("flattening from a later axis", "z = Flatten<axis=1>(x) y = Identity(z)", ""),
    ("a reshape that copies and infers", "s = Constant<value_ints=[0,-1,6]>() y = Reshape(x, s)", ""),
    ("a transposition", "y = Transpose<perm=[0,2,3,1]>(x)", ""),
    ("axes put in and taken out", "a = Constant<value_ints=[1]>() z = Unsqueeze(x, a) y = Squeeze(z, a)", ""),
    ("a concatenation", "z = Relu(x) y = Concat<axis=-3>(x, z)", ""),
    ("sums, products and differences", "z = Add(x, x) u = Mul(z, x) v = Sub(u, x) c = Constant<value_float=3.0>() y = Div(v, c)", ""),
    ("powers and roots", "two = Constant<value_float=2.0>() z = Pow(x, two) e = Constant<value_float=0.5>() u = Add(z, e) y = Sqrt(u)", ""),
    ("exponentials", "z = Exp(x) u = Log(z) v = Neg(u) y = Abs(v)", ""),
    ("maximum and minimum of two", "c = Constant<value_float=0.25>() z = Max(x, c) d = Constant<value_float=1.0>() y = Min(z, d)", ""),
    ("the error function", "y = Erf(x)", ""),
    ("a mean over axes", "a = Constant<value_ints=[2,3]>() y = ReduceMean<keepdims=0>(x, a)", ""),
    ("a maximum over axes", "a = Constant<value_ints=[-1,-2]>() y = ReduceMax(x, a)", ""),
    ("a border", "p = Constant<value_ints=[0,0,1,0,0,0,2,1]>() c = Constant<value_float=0.5>() y = Pad(x, p, c)", ""),
    ("a border of some axes", "p = Constant<value_ints=[1,2]>() a = Constant<value_ints=[-1]>() y = Pad(x, p, , a)", ""),
    ("limits on both sides", "a = Constant<value_float=-0.5>() b = Constant<value_float=2.0>() y = Clip(x, a, b)", ""),
    ("a limit above only", "b = Constant<value_float=2.0>() y = Clip(x, , b)", ""),
    ("dropout with a ratio", "r = Constant<value_float=0.3>() y = Dropout(x, r)", ""),
    ("halves by number", "y, z = Split<axis=1, num_outputs=2>(x)", ""),
    ("parts of given sizes", "s = Constant<value_ints=[1,3]>() y, z = Split<axis=1>(x, s)", ""),
    ("a slice", "s = Constant<value_ints=[-3]>() e = Constant<value_ints=[9]>() a = Constant<value_ints=[1]>() y = Slice(x, s, e, a)", ""),
    ("a cast to the same", "y = Cast<to=1>(x)", ""),
    ("a sigmoid written out", "z = Neg(x) u = Exp(z) c = Constant<value_float=1.0>() v = Add(u, c) y = Reciprocal(v)", ""),
    (
        "a reshape by the arithmetic of shapes",
        "s = Shape(x) i = Constant<value_int=0>() n = Gather(s, i) a = Constant<value_ints=[0]>() m = Unsqueeze(n, a) "
        "r = Constant<value_ints=[-1]>() t = Concat<axis=0>(m, r) y = Reshape(x, t)",
        "",
    ),
]  # fmt: skip
DOUBLE = [
    *CASES,
    ("a dilated convolution with an odd pixel after", 'y = Conv<auto_pad="SAME_UPPER", dilations=[2,1]>(x, w, b)', "w 6 4 2 2, b 6"),
]
"""ONNX Runtime does not dilate what it pads by itself."""
VECTORS = [
    ("fully connected", "y = Gemm<transB=1>(x, w, b)", "w 3 5, b 3"),
    ("fully connected the other way round", "y = Gemm(x, w, b)", "w 5 3, b 3"),
    ("fully connected with factors", "y = Gemm<alpha=0.5, beta=2.0, transB=1>(x, w, b)", "w 3 5, b 1 3"),
    ("fully connected with one number for all", "y = Gemm<transB=1>(x, w, b)", "w 3 5, b 1"),
    ("a product with a matrix, then a sum", "z = MatMul(x, w) y = Add(z, b)", "w 5 3, b 3"),
    ("normalised vectors", "y = BatchNormalization(x, s, b, m, var)", "s 5, b 5, m 5, var 5"),
]


@pytest.mark.parametrize(("body", "weights"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_the_tape_says_what_onnx_runtime_computes(body: str, weights: str) -> None:
    assert apart(recorded(model(body, weights=weights))) < SINGLE


@pytest.mark.parametrize(("body", "weights"), [pytest.param(*case[1:], id=case[0]) for case in DOUBLE])
def test_the_tape_says_what_the_reference_computes_in_double(body: str, weights: str) -> None:
    assert apart(recorded(model(body, weights=weights)), "float64") < 1e-12


@pytest.mark.parametrize(("body", "weights"), [pytest.param(*case[1:], id=case[0]) for case in VECTORS])
def test_vectors_too(body: str, weights: str) -> None:
    recording = recorded(model(body, "float[N,5] x", weights=weights), (2, 5))
    assert apart(recording) < SINGLE
    assert apart(recording, "float64") < 1e-12


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize(
    "body", ["y = ReduceMean<axes=[2,3]>(x)", "y = BatchNormalization(x, s, b, m, var)"], ids=["attribute axes", "normalised"]
)
def test_older_opsets_are_read_in_their_own_sense(body: str, opset: int) -> None:
    recording = recorded(model(body, opset=opset, weights="s 4, b 4, m 4, var 4"))
    assert apart(recording) < SINGLE
    assert apart(recording, "float64") < 1e-12


def test_another_slope_would_be_seen() -> None:
    import dataclasses

    recording = recorded(model("y = LeakyRelu<alpha=0.3>(x)"))
    (call,) = recording.tape.calls
    wrong = dataclasses.replace(recording.tape, calls=(dataclasses.replace(call, attributes={"negative_slope": 0.30003}),))
    assert apart(dataclasses.replace(recording, tape=wrong)) > SINGLE


REFUSED = [
    ("a function without a word", "y = Selu(x)", "", r"onnx\.Selu at net:0"),
    ("a learned slope", "y = PRelu(x, w)", "w 4 1 1", r"onnx\.PRelu"),
    ("dilated windows", "y = MaxPool<kernel_shape=[2,2], dilations=[2,2]>(x)", "", "dilation"),
    ("the places of maxima", "y, z = MaxPool<kernel_shape=[2,2]>(x)", "", "indices"),
    ("the statistics of the batch", "y, m1, v1 = BatchNormalization<training_mode=1>(x, s, b, m, var)", "s 4, b 4, m 4, var 4", "training_mode=1"),
    ("dropout that drops", "r = Constant<value_float=0.3>() t = Constant<value=bool {1}>() y = Dropout(x, r, t)", "", "training_mode=true"),
    ("a mirrored border", 'p = Constant<value_ints=[0,0,1,1,0,0,1,1]>() y = Pad<mode="reflect">(x, p)', "", "mode=reflect"),
    ("a part of a value", "y, z = Split<axis=1, num_outputs=2>(x)", "", "split"),
    ("half precision", "y = Cast<to=10>(x)", "", "not float or double"),
    ("a choice by index", "i = Constant<value_ints=[0,2]>() y = Gather<axis=1>(x, i)", "", r"onnx\.Gather"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "weights", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_no_description_says_is_refused_by_name(body: str, weights: str, words: str) -> None:
    net = model(body, weights=weights)
    if "Cast" in body:
        net.graph.output[0].type.tensor_type.elem_type = 10
    with pytest.raises(PortError, match=words) as caught:
        lift(recorded(net).tape)
    assert "\n" not in str(caught.value)


def test_an_operator_from_elsewhere_is_refused_by_name() -> None:
    net = model("y = Relu(x)")
    net.graph.node[0].domain = "com.example"
    net.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    with pytest.raises(PortError, match=r"onnx\.Relu at net:0 .* no operator of the ONNX standard"):
        recorded(net)
