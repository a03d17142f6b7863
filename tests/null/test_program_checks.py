"""What a program refuses, before anything is computed or changed; and whose memory its results are."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import BackendError, InputError, ShapeError, UnicnnError, UnknownNameError, UnsupportedError

F32, F64 = np.float32, np.float64


def drawn(shape: Any, seed: int = 0, dtype: Any = F32) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def small(**options: Any) -> Any:
    """Return a program of an image network with every kind of parameter."""
    layers = [un.Conv2d(3, 3), un.BatchNorm2d(), un.ReLU(), un.Flatten(), un.Dropout(), un.Linear(4)]
    return un.lower(un.Sequential(layers, input=(1, 5, 5), name="small"), "numpy", **options)


def two(arrangement: str = "tuple") -> Any:
    a, b = un.Input(3, name="left"), un.Input(3, name="right")
    sum_, product = un.Add()(a, b), un.Mul()(a, b)
    outputs: Any = (sum_, product) if arrangement == "tuple" else {"sum": sum_, "product": product}
    return un.lower(un.Model((a, b), outputs, name="two"), "numpy")


def state(program: Any) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in program.weights().items()}


def says(call: Any, error: type[UnicnnError], *words: str) -> None:
    """Check that `call` raises `error` in one paragraph with all of `words`."""
    with pytest.raises(error) as caught:
        call()
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
    assert "\n" not in str(caught.value)


X, LABELS = drawn((2, 1, 5, 5)), np.array([0, 3])

INPUTS = [
    pytest.param(drawn((1, 5, 5)), ["(1, 5, 5)", "Add the batch axis: x[None]"], id="a-sample-without-the-batch-axis"),
    pytest.param(drawn((2, 1, 5, 6)), ["(2, 1, 5, 6)", "batches of 1x5x5", "(N, 1, 5, 5)"], id="another-width"),
    pytest.param(drawn((2, 5, 5, 1)), ["(2, 5, 5, 1)", "(N, 1, 5, 5)"], id="channels-last"),
    pytest.param(drawn((2, 25)), ["(2, 25)"], id="flattened-images"),
    pytest.param(F32(3), ["float32"], id="a-scalar"),
    pytest.param(drawn((2, 1, 5, 5), dtype=F64), ["float64", "computes in float32", "x.astype(np.float32)"], id="float64-for-float32"),
    pytest.param(drawn((2, 1, 5, 5), dtype=np.float16), ["float16", "x.astype(np.float32)"], id="float16"),
    pytest.param(np.zeros((2, 1, 5, 5), np.uint8), ["uint8", "/ 255 for images in bytes"], id="images-in-bytes"),
    pytest.param(np.zeros((2, 1, 5, 5), np.int64), ["int64", "x.astype(np.float32)"], id="integers"),
    pytest.param(np.zeros((2, 1, 5, 5), bool), ["bool"], id="booleans"),
    pytest.param(np.zeros((2, 1, 5, 5), np.complex64), ["complex64"], id="complex-numbers"),
    pytest.param(np.zeros((2, 1, 5, 5), object), ["object"], id="objects"),
    pytest.param(X.tolist(), ["NumPy array"], id="a-list-of-lists"),
    pytest.param(None, ["NoneType", "NumPy array"], id="nothing"),
    pytest.param((X, X), ["small takes one input, not 2", "one NumPy array"], id="two-inputs-for-one"),
    pytest.param({"image": X}, ["takes the inputs input, not image"], id="an-input-of-another-name"),
]


@pytest.mark.parametrize(("x", "words"), INPUTS)
@pytest.mark.parametrize("action", ["call", "outputs", "gradients", "vjp", "trace"])
def test_a_wrong_input_is_refused_by_everything_that_takes_one(x: Any, words: Any, action: str) -> None:
    program = small()
    before = state(program)
    calls: dict[str, Any] = {
        "call": lambda: program(x, mode="training"),
        "outputs": lambda: program.outputs(x),
        "gradients": lambda: program.gradients(x, LABELS, mode="training"),
        "vjp": lambda: program.vjp(x, np.zeros((2, 4), F32)),
        "trace": lambda: program.trace(x, LABELS),
    }
    says(calls[action], InputError, *words)
    assert state(program) == before


def test_float64_numerics_take_both_floats_and_no_other() -> None:
    program = small(numerics="float64")
    assert program(X).dtype == F64
    assert program(X).tobytes() == program(X.astype(F64)).tobytes() != program(X.astype(F64) + 1e-12).tobytes()
    says(lambda: program(X.astype(np.float16)), InputError, "float16", "np.float64")


def test_an_input_in_any_memory_order_gives_the_same() -> None:
    program = small()
    turned = np.asfortranarray(X)
    assert not turned.flags.c_contiguous
    assert program(turned).tobytes() == program(X).tobytes() != program(X[::-1]).tobytes()


class TestSeveralInputs:
    def test_a_tuple_and_a_dict_mean_the_same(self) -> None:
        program, a, b = two(), drawn((2, 3)), drawn((2, 3), 1)
        first, second, third = program((a, b)), program({"right": b, "left": a}), program([a, b])
        assert [y.tobytes() for y in first] == [y.tobytes() for y in second] == [y.tobytes() for y in third]
        assert np.array_equal(first[0], a + b)
        assert not np.array_equal(first[0], a - b)

    def test_outputs_come_as_the_model_arranges_them(self) -> None:
        a, b = drawn((2, 3)), drawn((2, 3), 1)
        assert isinstance(two()((a, b)), tuple)
        found = two("dict")((a, b))
        assert list(found) == ["sum", "product"]
        assert np.array_equal(found["product"], a * b)
        assert not np.array_equal(found["product"], found["sum"])

    @pytest.mark.parametrize(
        ("x", "words"),
        [
            pytest.param({"left": drawn((2, 3))}, ["two takes the inputs left, right, not left"], id="a-missing-name"),
            pytest.param(
                {"left": drawn((2, 3)), "right": drawn((2, 3)), "up": drawn((2, 3))}, ["not left, right, up"], id="a-name-too-many"
            ),
            pytest.param({"left": drawn((2, 3)), "Right": drawn((2, 3))}, ["not left, Right"], id="a-name-in-another-case"),
            pytest.param((drawn((2, 3)),), ["takes 2 inputs (left, right), not 1"], id="one-of-two"),
            pytest.param(drawn((2, 3)), ["takes 2 inputs (left, right), not 1", "tuple or a dict"], id="an-array-for-two"),
            pytest.param((drawn((2, 3)), drawn((4, 3))), ["batches of 2, 4 samples", "same number"], id="batches-of-two-sizes"),
            pytest.param((drawn((2, 3)), drawn((2, 4))), ["'right' has shape (2, 4)"], id="the-second-of-another-shape"),
            pytest.param((drawn((2, 3)), drawn((2, 3), dtype=F64)), ["'right' is float64"], id="the-second-of-another-dtype"),
            pytest.param((drawn((0, 3)), drawn((2, 3))), ["batches of 0, 2 samples"], id="an-empty-batch-beside-another"),
        ],
    )
    def test_a_wrong_arrangement_is_refused(self, x: Any, words: Any) -> None:
        says(lambda: two()(x), InputError, *words)

    def test_an_input_may_be_called_target(self) -> None:
        x = un.Input(3, name="target")
        named = un.lower(un.Model(x, un.Linear(2)(x)), "numpy")
        plain = un.lower(un.Sequential([un.Linear(2)], input=(3,)), "numpy")
        data, labels = drawn((2, 3)), np.array([0, 1])
        assert named.gradients(data, labels)[1]["target"].tobytes() == plain.gradients(data, labels)[1]["input"].tobytes()
        assert named.gradients(data, labels)[0] == plain.gradients(data, labels)[0] != plain.gradients(data, labels[::-1])[0]


class TestLabels:
    @pytest.mark.parametrize(
        "labels",
        [
            pytest.param(np.array([0, 3]), id="int64"),
            pytest.param(np.array([0, 3], np.uint8), id="uint8"),
            pytest.param(np.array([0.0, 3.0]), id="whole-floats"),
            pytest.param(np.array([0, 3], np.float16), id="whole-half-floats"),
            pytest.param([0, 3], id="a-list"),
            pytest.param((0, 3.0), id="a-tuple-of-mixed-numbers"),
        ],
    )
    def test_may_be_any_whole_numbers(self, labels: Any) -> None:
        loss, grads = small().gradients(X, labels)
        expected, others = small().gradients(X, LABELS), small().gradients(X, LABELS[::-1])
        assert loss == expected[0] != others[0]
        assert grads["linear1.bias"].tobytes() == expected[1]["linear1.bias"].tobytes() != others[1]["linear1.bias"].tobytes()

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            pytest.param([0, 4], ["label 1 is 4", "4 classes, numbered from 0 to 3"], id="a-label-too-high"),
            pytest.param([-1, 0], ["label 0 is -1", "0 to 3"], id="a-negative-label"),
            pytest.param([0.0, np.nan], ["label 1 is nan", "whole numbers from 0 to 3"], id="a-label-that-is-no-number"),
            pytest.param([np.inf, 0.0], ["label 0 is inf"], id="an-infinite-label"),
            pytest.param([0.0, 1.5], ["label 1 is 1.5"], id="half-a-label"),
            pytest.param([0.0, 1e30], ["label 1 is 1e+30", "4 classes"], id="a-label-beyond-every-integer"),
            pytest.param(np.array([0, 2**64 - 1], np.uint64), ["label 1 is", "4 classes"], id="a-label-that-would-wrap-round"),
            pytest.param([0], ["shape (1,)", "2 samples need (2,)"], id="too-few-labels"),
            pytest.param([0, 1, 2], ["shape (3,)", "2 samples need (2,)"], id="too-many-labels"),
            pytest.param(np.eye(4)[[0, 3]], ["shape (2, 4)", "labels.argmax(axis=1)"], id="one-hot-labels"),
            pytest.param(np.array([[0], [3]]), ["shape (2, 1)"], id="labels-in-a-column"),
            pytest.param(3, ["shape ()"], id="one-number-for-all"),
            pytest.param(None, ["shape ()"], id="no-labels"),
            pytest.param([True, False], ["bool"], id="booleans"),
            pytest.param(["cat", "dog"], ["whole numbers from 0 to 3"], id="strings"),
            pytest.param([None, 1], ["object"], id="objects"),
            pytest.param([1 + 0j, 0], ["complex"], id="complex-numbers"),
            pytest.param([[0], [1, 2]], ["differ in length"], id="rows-of-two-lengths"),
        ],
    )
    def test_that_are_no_classes_are_refused_and_nothing_moves(self, labels: Any, words: Any) -> None:
        program = small()
        before = state(program)
        says(lambda: program.gradients(X, labels, mode="training"), InputError, "small", *words)
        says(lambda: program.trace(X, labels), InputError, *words)
        assert state(program) == before
        program.gradients(X, LABELS, mode="training")
        assert state(program) != before  # the running statistics

    def test_of_a_squared_error_are_values_of_the_output_s_shape(self) -> None:
        program = small()
        loss, _ = program.gradients(X, program(X), "squared_error")
        assert loss == 0 != program.gradients(X, program(X) + F32(1), "squared_error")[0]
        says(lambda: program.gradients(X, LABELS, "squared_error"), InputError, "'target' has shape (2,)", "batches of 4")
        says(lambda: program.gradients(X, drawn((2, 4), dtype=F64), "squared_error"), InputError, "'target' is float64")


class TestWeights:
    def test_load_replaces_all(self) -> None:
        program = small(seed=1)
        assert state(program) != state(small(seed=2))
        program.load(small(seed=2).weights())
        assert state(program) == state(small(seed=2)) != state(small(seed=1))

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param(lambda w: w.pop("linear1.weight"), ["lack 'linear1.weight'", "of 8"], id="a-missing-weight"),
            pytest.param(lambda w: w.pop("norm1.var"), ["lack 'norm1.var'"], id="a-missing-running-statistic"),
            pytest.param(lambda w: w.clear(), ["lack 'conv1.weight' and 7 more of 8"], id="no-weights"),
            pytest.param(lambda w: w.update({"linear1.weigth": w["linear1.weight"]}), ["'linear1.weigth'", "Did you mean 'linear1.weight'?"], id="a-misspelt-weight"),
            pytest.param(lambda w: w.update({"linear1.weight": w["linear1.weight"].T}), ["'linear1.weight' has shape (27, 4)", "needs (4, 27)"], id="a-transposed-matrix"),
            pytest.param(lambda w: w.update({"conv1.weight": w["conv1.weight"].transpose(2, 3, 1, 0)}), ["'conv1.weight'", "(3, 1, 3, 3)"], id="a-kernel-in-another-layout"),
            pytest.param(lambda w: w.update({"conv1.bias": w["conv1.bias"][:, None]}), ["'conv1.bias' has shape (3, 1)"], id="a-bias-in-a-column"),
            pytest.param(lambda w: w.update({"conv1.bias": w["conv1.bias"].astype(F64)}), ["'conv1.bias' is float64", "must be float32", ".astype(np.float32)"], id="float64-for-float32"),
            pytest.param(lambda w: w.update({"conv1.bias": w["conv1.bias"].astype(np.float16)}), ["'conv1.bias' is float16"], id="float16"),
            pytest.param(lambda w: w.update({"conv1.bias": np.zeros(3, np.int64)}), ["'conv1.bias' is int64"], id="integers"),
            pytest.param(lambda w: w.update({"conv1.bias": None}), ["'conv1.bias' has shape ()"], id="nothing-for-a-weight"),
        ],
    )  # fmt: skip
    def test_that_do_not_fit_are_refused_and_leave_the_program_as_it_was(self, change: Any, words: Any) -> None:
        program, others = small(seed=1), small(seed=2).weights()
        before = state(program)
        change(others)
        says(lambda: program.load(others), InputError, "small", *words)
        assert state(program) == before
        says(lambda: small(weights=others), InputError, *words)

    def test_in_float64_may_come_in_either_float(self) -> None:
        program = small(numerics="float64")
        program.load({name: value.astype(F64) + 1e-12 for name, value in program.weights().items()})
        program.load({name: value.astype(F32) for name, value in program.weights().items()})
        assert {str(value.dtype) for value in program.weights().values()} == {"float64"}


class TestNames:
    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            pytest.param(
                lambda: un.lower(un.zoo.lenet(), "numppy"), UnknownNameError, ["'numppy'", "Did you mean 'numpy'?"], id="a-backend"
            ),
            pytest.param(lambda: un.lower(un.zoo.lenet(), None), UnknownNameError, ["None"], id="no-backend"),  # type: ignore[arg-type]
            pytest.param(lambda: small(device="tpu"), BackendError, ["NumPy cannot use the device 'tpu'", "cpu"], id="a-device"),
            pytest.param(lambda: small(numerics="bfloat16"), UnknownNameError, ["'bfloat16'"], id="numerics"),
            pytest.param(lambda: small(init="pytorch"), UnknownNameError, ["'pytorch'", "Did you mean 'torch'?"], id="a-preset"),
            pytest.param(
                lambda: small().gradients(X, LABELS, "crossentropy"),
                UnknownNameError,
                ["'crossentropy'", "Did you mean 'cross_entropy'?"],
                id="a-loss",
            ),
            pytest.param(lambda: small().gradients(X, LABELS, 3), UnknownNameError, ["3"], id="a-number-for-a-loss"),
            pytest.param(lambda: small()(X, mode="train"), InputError, ['"inference" or "training"', "'train'"], id="a-mode"),
            pytest.param(lambda: small().gradients(X, LABELS, mode=True), InputError, ["True"], id="a-boolean-for-a-mode"),
            pytest.param(lambda: un.zoo.get("lenett"), UnknownNameError, ["'lenett'", "Did you mean 'lenet'?"], id="a-network"),
        ],
    )
    def test_an_unknown_one_is_refused_with_the_closest(self, call: Any, error: Any, words: Any) -> None:
        says(call, error, *words)

    def test_a_cuda_device_is_refused_where_there_is_none(self, monkeypatch: Any) -> None:
        info = small().backend.info
        monkeypatch.setattr(type(info), "devices", property(lambda self: lambda: ("cpu",)), raising=False)
        says(lambda: small(device="cuda"), BackendError, "'cuda'", "it has cpu")

    def test_an_op_that_a_backend_lacks_is_found_at_lowering(self, monkeypatch: Any) -> None:
        monkeypatch.delattr(small().backend.modules["norm"], "batch_norm2d")
        says(small, UnsupportedError, "small/norm1 (BatchNorm2d) cannot run on numpy", "no batch_norm2d")


class TestLosses:
    def test_need_one_output(self) -> None:
        pair = (drawn((2, 3)), drawn((2, 3), 1))
        says(lambda: two().gradients(pair, LABELS), ShapeError, "two has 2 outputs, and a loss takes one")

    def test_of_classes_need_vectors(self) -> None:
        program = un.lower(un.Sequential([un.ReLU()], input=(1, 5, 5), name="image"), "numpy")
        says(lambda: program.gradients(X, LABELS), ShapeError, "image", "CrossEntropy", "one score a class", "Flatten()")

    def test_cotangents_must_have_the_outputs_shapes(self) -> None:
        says(lambda: small().vjp(X, np.zeros((2, 5), F32)), InputError, "cotangents", "(2, 4)")
        pair = (drawn((2, 3)), drawn((2, 3), 1))
        says(lambda: two().vjp(pair, pair[0]), InputError, "(2, 3) and (2, 3)", "one for each output")


class TestBatches:
    @pytest.mark.parametrize("mode", ["inference", "training"])
    @pytest.mark.parametrize("numerics", ["native", "float64"])
    def test_an_empty_one_gives_empty_outputs_of_the_right_shapes(self, mode: str, numerics: str) -> None:
        program = small(numerics=numerics)
        before = state(program)
        y = program(X[:0], mode=mode)
        assert (y.shape, str(y.dtype)) == ((0, 4), {"native": "float32", "float64": "float64"}[numerics])
        assert {name: value.shape for name, value in program.outputs(X[:0], mode=mode).items()} == {
            "conv1": (0, 3, 3, 3), "norm1": (0, 3, 3, 3), "relu1": (0, 3, 3, 3), "flatten1": (0, 27), "dropout1": (0, 27), "linear1": (0, 4),
        }  # fmt: skip
        assert state(program) == before

    def test_an_empty_one_has_no_loss(self) -> None:
        says(lambda: small().gradients(X[:0], LABELS[:0]), InputError, "the loss of an empty batch is undefined")
        says(lambda: small().vjp(X[:0], np.zeros((0, 4), F32)), InputError, "empty batch")

    def test_one_value_a_channel_has_no_variance_to_train_on(self) -> None:
        program = un.lower(un.Sequential([un.BatchNorm2d()], input=(3, 1, 1), name="norm"), "numpy")
        one, more = drawn((1, 3, 1, 1)), drawn((2, 3, 1, 1))
        before = state(program)
        says(lambda: program(one, mode="training"), InputError, "norm/norm1 (BatchNorm2d)", "one value per channel", 'mode="inference"')
        says(lambda: program.vjp(one, one, mode="training"), InputError, "one value per channel")
        assert state(program) == before
        assert program(one).shape == one.shape
        assert program(more, mode="training").shape == more.shape
        assert state(program) != before


class TestMemory:
    def test_weights_beyond_the_machine_s_memory_are_refused_before_any_is_drawn(self) -> None:
        model = un.Sequential([un.Linear(10**8), un.Linear(10**9)], input=(10,), name="huge")
        says(lambda: un.lower(model, "numpy"), InputError, "huge needs 372,", "GiB", "huge/linear2 (Linear 1000000000)", "Check the sizes")

    def test_activations_beyond_the_machine_s_memory_are_refused(self) -> None:
        model = un.Sequential([un.Pad(10**7)], input=(1, 1, 1), name="huge")
        says(lambda: un.lower(model, "numpy"), InputError, "huge/pad1", "GiB")

    def test_the_largest_sizes_there_are_can_be_printed(self) -> None:
        most = 2**62
        model = un.Sequential([un.Linear(most), un.Linear(most)], input=(most,), name="huge")
        says(lambda: un.lower(model, "numpy"), InputError, "huge needs", "huge/linear1")

    @pytest.mark.skipif(not hasattr(os, "sysconf"), reason="only there the machine tells its memory")
    def test_the_machine_s_memory_decides(self, monkeypatch: Any) -> None:
        need = 4 * (un.infer(small().model).size + 6 + un.infer(small().model).activations)
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": need}[name])
        assert small()(X).shape == (2, 4)
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": need - 1}[name])
        says(small, InputError, "small needs")
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2 * need - 1}[name])
        says(lambda: small(numerics="float64"), InputError, "small needs")


# Whose memory it is

VIEWS = [
    pytest.param([un.Identity()], id="identity"),
    pytest.param([un.Flatten()], id="flatten"),
    pytest.param([un.Reshape((5, 5))], id="reshape"),
    pytest.param([un.Transpose((0, 2, 3, 1))], id="transpose"),
    pytest.param([un.Dropout()], id="dropout-in-inference"),
    pytest.param([un.Pad(0)], id="a-border-of-nothing"),
    pytest.param([un.MaxPool2d(1)], id="a-window-of-one"),
    pytest.param([un.AdaptiveAvgPool2d(5)], id="as-many-windows-as-pixels"),
    pytest.param([un.Identity(), un.Flatten(), un.Reshape((25,))], id="a-chain-of-views"),
    pytest.param([un.ReLU()], id="relu"),
    pytest.param([un.Conv2d(2, 1)], id="conv"),
    pytest.param([un.BatchNorm2d()], id="batch-norm"),
    pytest.param([un.Softmax(-1)], id="softmax"),
]


@pytest.mark.parametrize("layers", VIEWS)
@pytest.mark.parametrize("action", ["call", "outputs", "vjp", "trace"])
class TestOwnership:
    def arrays(self, program: Any, x: Any, action: str) -> list[Any]:
        output = program.outputs(x)[program.model.outputs[0][1]]
        if action == "call":
            return [program(x)]
        if action == "outputs":
            return list(program.outputs(x).values())
        if action == "vjp":
            outputs, grads = program.vjp(x, np.ones_like(output))
            return [outputs, *grads.values()]
        found = program.trace(x, np.zeros_like(output), "squared_error")
        return [*found.outputs.values(), *found.gradients.values()]

    def test_changing_the_input_afterwards_changes_no_result(self, layers: Any, action: str) -> None:
        program, x = un.lower(un.Sequential(layers, input=(1, 5, 5)), "numpy"), X.copy()
        results = self.arrays(program, x, action)
        before = [value.tobytes() for value in results]
        x *= -2
        assert [value.tobytes() for value in results] == before
        assert [value.tobytes() for value in self.arrays(program, x, action)] != before

    def test_changing_a_result_changes_neither_the_input_nor_the_next_result(self, layers: Any, action: str) -> None:
        program, x = un.lower(un.Sequential(layers, input=(1, 5, 5)), "numpy"), X.copy()
        expected = program(x).tobytes()
        results = self.arrays(program, x, action)
        weights = state(program)
        assert [value.flags.writeable for value in results] == [True] * len(results)
        assert [value.fill(7) for value in results] == [None] * len(results)
        assert x.tobytes() == X.tobytes()
        assert state(program) == weights
        assert program(x).tobytes() == expected


class TestOwnershipOfWeights:
    def test_changing_what_was_loaded_changes_nothing_in_the_program(self) -> None:
        program, given = small(), small(seed=5).weights()
        program.load(given)
        before = state(program)
        given["conv1.weight"] += 1
        assert state(program) == before

    def test_changing_what_was_returned_changes_nothing_in_the_program(self) -> None:
        program = small()
        before = program(X).tobytes()
        program.weights()["linear1.bias"][:] = 99
        assert program(X).tobytes() == before
        program.load(program.weights() | {"linear1.bias": np.full(4, 99, F32)})
        assert program(X).tobytes() != before

    def test_read_only_inputs_and_weights_are_fine(self) -> None:
        given, x = small().weights(), X.copy()
        x.flags.writeable = False
        given["conv1.weight"].flags.writeable = False
        program = small(weights=given)
        assert program(x).tobytes() == small()(X).tobytes() != small()(X + 1).tobytes()
        assert program.gradients(x, LABELS)[0] == small().gradients(X, LABELS)[0]

    def test_changing_a_gradient_changes_neither_the_cotangent_nor_the_program(self) -> None:
        program = un.lower(un.Sequential([un.Identity()], input=(3,)), "numpy")
        cotangent = drawn((2, 3))
        before = cotangent.tobytes()
        _, grads = program.vjp(drawn((2, 3)), cotangent)
        grads["input"].fill(7)
        assert cotangent.tobytes() == before


class TestModes:
    def test_dropout_drops_in_training_only_and_by_step(self) -> None:
        program = un.lower(un.Sequential([un.Dropout(0.5)], input=(1000,)), "numpy")
        x = np.ones((1, 1000), F32)
        assert np.array_equal(program(x), x)
        dropped = program(x, mode="training")
        assert set(np.unique(dropped)) == {0.0, 2.0}
        assert dropped.tobytes() == program(x, mode="training").tobytes() != program(x, mode="training", step=1).tobytes()

    def test_running_statistics_move_in_training_only(self) -> None:
        program = small()
        before = state(program)
        program(X)
        program.gradients(X, LABELS)
        assert state(program) == before
        program(X, mode="training")
        assert {name for name, value in state(program).items() if value != before[name]} == {"norm1.mean", "norm1.var"}
