"""A network written in three ways is one network: Sequential, functional, and a file."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import unicnn as un
from unicnn.errors import DescriptionError, ShapeError
from unicnn.model import Layer


def names(model: Any) -> list[str]:
    return [layer.name for layer in model.layers]


def read(tmp_path: Path, text: str, name: str = "net.toml") -> Any:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return un.load(path)


def sequential(channels: int = 4) -> Any:
    layers = [un.Conv2d(channels, 3, padding="same", activation="relu"), un.MaxPool2d(2), un.Flatten(), un.Linear(10)]
    return un.Sequential(layers, input=(1, 8, 8), name="sequential")


def functional(channels: int = 4) -> Any:
    x = un.Input(1, 8, 8)
    y = un.ReLU()(un.Conv2d(channels, 3, padding="same")(x))
    return un.Model(x, un.Linear(10)(un.Flatten()(un.MaxPool2d(2)(y))), name="functional")


FILE = """
input = [1, 8, 8]
layers = [
  {op = "Conv2d", out_channels = CHANNELS, kernel_size = 3, padding = "same", activation = "relu"},
  {op = "MaxPool2d", kernel_size = 2},
  {op = "Flatten"},
  {op = "Linear", out_features = 10},
]
"""

EQUAL = [
    pytest.param(un.Conv2d(3, 3), un.Conv2d(3, (3, 3)), un.Conv2d(3, (3, 5)), id="a-kernel-of-3-is-3x3"),
    pytest.param(un.Conv2d(3, [3, 5]), un.Conv2d(3, (3, 5)), un.Conv2d(3, (5, 3)), id="a-list-is-a-tuple"),
    pytest.param(un.Conv2d(3, 3, padding=1), un.Conv2d(3, 3, padding=((1, 1), (1, 1))), un.Conv2d(3, 3, padding=((1, 1), (1, 0))), id="padding-1-is-four-sides"),
    pytest.param(un.Conv2d(3, 3, padding=(1, 2)), un.Conv2d(3, 3, padding=((1, 1), (2, 2))), un.Conv2d(3, 3, padding=(2, 1)), id="padding-is-vertical-then-horizontal"),
    pytest.param(un.Conv2d(3, 3, padding="valid"), un.Conv2d(3, 3), un.Conv2d(3, 3, padding="same"), id="valid-padding-is-none"),
    pytest.param(un.Conv2d(3, 3, 2), un.Conv2d(3, 3, stride=(2, 2)), un.Conv2d(3, 3), id="stride-is-the-third-field"),
    pytest.param(un.MaxPool2d(2), un.MaxPool2d(2, stride=2), un.MaxPool2d(2, stride=1), id="a-pool's-stride-defaults-to-its-window"),
    pytest.param(un.AdaptiveAvgPool2d(1), un.AdaptiveAvgPool2d((1, 1)), un.AdaptiveAvgPool2d((1, 2)), id="an-adaptive-size-of-1-is-1x1"),
    pytest.param(un.Dropout(0), un.Dropout(0.0), un.Dropout(0.5), id="an-integer-is-a-number"),
    pytest.param(un.LayerNorm(1), un.LayerNorm((1,)), un.LayerNorm((1, 2)), id="one-axis-is-a-tuple-of-one"),
    pytest.param(un.Pad(2), un.Pad(((2, 2), (2, 2))), un.Pad(2, value=1), id="a-border-of-2-is-four-sides"),
    pytest.param(un.ReLU(), un.ReLU(), un.ReLU6(), id="ops-of-two-names-differ"),
    pytest.param(un.Add(), un.Add(), un.Mul(), id="ops-without-fields-differ-by-name"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "same", "other"), EQUAL)
class TestOps:
    def test_are_kept_in_one_form(self, one: Any, same: Any, other: Any) -> None:
        assert one == same
        assert hash(one) == hash(same)
        assert one != other

    def test_have_a_repr_that_evaluates_to_them(self, one: Any, same: Any, other: Any) -> None:
        # The test evaluates; unicnn itself never does.
        assert eval(repr(one), vars(un.ops)) == one
        assert eval(repr(other), vars(un.ops)) != one
        assert repr(one) == repr(same)

    def test_print_without_line_breaks(self, one: Any, same: Any, other: Any) -> None:
        assert str(one) == str(same) != str(other)
        assert "\n" not in str(one)


@pytest.mark.parametrize(
    ("op", "text", "short"),
    [
        pytest.param(un.Conv2d(50, 7), "Conv2d(50, 7)", "Conv2d 50, 7x7", id="required-fields-only"),
        pytest.param(un.Conv2d(8, (3, 5), stride=2, bias=False), "Conv2d(8, (3, 5), stride=2, bias=False)", "Conv2d 8, 3x5, stride 2x2, bias False", id="others-by-name"),
        pytest.param(un.Conv2d(8, 3, padding=((0, 1), (0, 1))), "Conv2d(8, 3, padding=((0, 1), (0, 1)))", "Conv2d 8, 3x3, padding ((0, 1), (0, 1))", id="uneven-sides-in-full"),
        pytest.param(un.MaxPool2d(3, 2), "MaxPool2d(3, stride=2)", "MaxPool2d 3x3, stride 2x2", id="a-stride-that-differs"),
        pytest.param(un.ReLU(), "ReLU()", "ReLU", id="no-fields"),
        pytest.param(un.GELU("tanh"), "GELU(approximate='tanh')", "GELU approximate tanh", id="a-choice"),
    ],
)  # fmt: skip
def test_an_op_is_written_in_its_shortest_form(op: Any, text: str, short: str) -> None:
    assert repr(op) == text
    assert str(op) == short


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: un.Conv2d(0, 3), ["out_channels", "at least 1", "0"], id="no-channels"),
        pytest.param(lambda: un.Conv2d(True, 3), ["out_channels", "integer", "True"], id="a-boolean-for-an-integer"),
        pytest.param(lambda: un.Conv2d(2.0, 3), ["out_channels", "integer", "2.0"], id="a-float-for-an-integer"),
        pytest.param(lambda: un.Conv2d(2, (3, 3, 3)), ["kernel_size", "two"], id="three-sizes-for-two"),
        pytest.param(lambda: un.Conv2d(2, 3, padding="full"), ["padding", '"same"', "full"], id="an-unknown-padding"),
        pytest.param(lambda: un.Conv2d(2, 3, padding=-1), ["padding", "at least 0"], id="a-negative-padding"),
        pytest.param(lambda: un.Conv2d(2, 3, bias=1), ["bias", "true or false", "1"], id="an-integer-for-a-flag"),
        pytest.param(lambda: un.Conv2d(2, 3, activation="swish"), ["activation", '"silu"', "swish"], id="an-unknown-activation"),
        pytest.param(lambda: un.Dropout(1.5), ["p ", "from 0 to 1", "1.5"], id="a-probability-above-1"),
        pytest.param(lambda: un.Dropout(True), ["p ", "number", "True"], id="a-boolean-for-a-number"),
        pytest.param(lambda: un.LeakyReLU(float("nan")), ["negative_slope", "finite", "nan"], id="a-slope-that-is-no-number"),
        pytest.param(lambda: un.ELU(float("inf")), ["alpha", "finite", "inf"], id="an-infinite-number"),
        pytest.param(lambda: un.LeakyReLU(10**400), ["negative_slope", "finite"], id="a-number-beyond-every-float"),
        pytest.param(lambda: un.Linear(2**63), ["out_features", str(2**63 - 1)], id="a-size-no-machine-can-count"),
        pytest.param(lambda: un.AdaptiveAvgPool2d(10**9), ["output_size", "65536"], id="more-adaptive-windows-than-can-be-listed"),
        pytest.param(lambda: un.BatchNorm2d(running_var="population"), ["running_var", '"biased"'], id="an-unknown-choice"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wanted(make: Any, words: list[str]) -> None:
    with pytest.raises(DescriptionError) as caught:
        make()
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
    assert "\n" not in str(caught.value)


class TestThreeWays:
    def test_functional_equals_sequential(self) -> None:
        assert functional() == sequential()
        assert functional(5) != sequential()

    @pytest.mark.parametrize("kind", ["toml", "json"])
    def test_a_written_file_equals_sequential(self, tmp_path: Path, kind: str) -> None:
        un.save(sequential(), tmp_path / f"net.{kind}")
        assert un.load(tmp_path / f"net.{kind}") == sequential()
        assert un.load(tmp_path / f"net.{kind}") != sequential(5)

    def test_a_file_written_by_hand_equals_sequential(self, tmp_path: Path) -> None:
        assert read(tmp_path, FILE.replace("CHANNELS", "4")) == sequential()
        assert read(tmp_path, FILE.replace("CHANNELS", "5")) != sequential()

    def test_shorthand_in_the_functional_form_equals_two_layers(self) -> None:
        x = un.Input(1, 8, 8)
        y = un.Conv2d(4, 3, padding="same", activation="relu")(x)
        short = un.Model(x, un.Linear(10)(un.Flatten()(un.MaxPool2d(2)(y))))
        assert short == functional()
        assert names(short) == ["conv1", "relu1", "pool1", "flatten1", "linear1"]

    def test_the_name_of_a_model_does_not_count(self) -> None:
        assert un.Sequential([un.ReLU()], input=(3,), name="a") == un.Sequential([un.ReLU()], input=(3,), name="b")
        assert hash(un.Sequential([un.ReLU()], input=(3,), name="a")) == hash(un.Sequential([un.ReLU()], input=(3,), name="b"))

    def test_equal_models_keep_their_own_names_in_messages(self) -> None:
        first, second = (un.Sequential([un.ReLU()], input=(3,), name=name) for name in ("first", "second"))
        assert [un.infer(first).model.name, un.infer(second).model.name] == ["first", "second"]

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(un.Sequential([("a", un.ReLU())], input=(4,)), id="another-input-shape"),
            pytest.param(un.Sequential([("b", un.ReLU())], input=(3,)), id="another-layer-name"),
            pytest.param(un.Sequential([("a", un.Tanh())], input=(3,)), id="another-op"),
            pytest.param(un.Sequential([("a", un.ReLU()), ("b", un.ReLU())], input=(3,)), id="another-layer"),
            pytest.param(un.Model.of([("x", (3,))], [Layer("a", un.ReLU(), ("x",))]), id="another-input-name"),
            pytest.param(un.Model.of([("input", (3,))], [Layer("a", un.ReLU(), ("input",))], [(None, "input")]), id="another-output"),
            pytest.param(un.Model.of([("input", (3,))], [Layer("a", un.ReLU(), ("input",))], [("y", "a")]), id="a-named-output"),
        ],
    )
    def test_models_differ_in_everything_else(self, other: Any) -> None:
        assert un.Sequential([("a", un.ReLU())], input=(3,)) == un.Sequential([("a", un.ReLU())], input=(3,))
        assert other != un.Sequential([("a", un.ReLU())], input=(3,))


class TestImmutability:
    @pytest.mark.parametrize(
        ("thing", "field"),
        [
            pytest.param(un.Conv2d(3, 3), "stride", id="an-op"),
            pytest.param(sequential(), "layers", id="a-model"),
            pytest.param(sequential().layers[0], "op", id="a-layer"),
            pytest.param(un.infer(sequential()).nodes[0], "shape", id="a-node-of-the-graph"),
            pytest.param(un.Input(3), "shape", id="a-symbol"),
        ],
    )
    def test_a_field_cannot_be_set(self, thing: Any, field: str) -> None:
        before = getattr(thing, field)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, field, None)
        assert getattr(thing, field) == before

    def test_what_a_model_was_made_from_may_change_afterwards(self) -> None:
        layers, shape = [un.ReLU(), un.Tanh()], [3]
        model = un.Sequential(layers, input=shape)  # type: ignore[arg-type]
        layers.clear()
        shape[0] = 7
        assert model == un.Sequential([un.ReLU(), un.Tanh()], input=(3,))
        assert model != un.Sequential([un.ReLU(), un.Tanh()], input=(7,))

    def test_a_copy_is_equal(self) -> None:
        assert copy.deepcopy(sequential()) == sequential() != copy.deepcopy(sequential(5))


class TestNames:
    def test_layers_are_numbered_by_kind_in_the_order_of_writing(self) -> None:
        ops = [
            un.Conv2d(4, 3, activation="relu"), un.BatchNorm2d(), un.Conv2d(4, 3, activation="relu"), un.AvgPool2d(2),
            un.AdaptiveAvgPool2d(1), un.Dropout(), un.Flatten(), un.Linear(2, activation="softmax"),
        ]  # fmt: skip
        assert names(un.Sequential(ops, input=(1, 12, 12))) == [
            "conv1", "relu1", "norm1", "conv2", "relu2", "pool1", "pool2", "dropout1", "flatten1", "linear1", "softmax1",
        ]  # fmt: skip

    def test_a_named_layer_does_not_count(self) -> None:
        assert names(un.Sequential([("first", un.ReLU()), un.ReLU(), un.ReLU()], input=(3,))) == ["first", "relu1", "relu2"]

    @pytest.mark.parametrize("form", ["sequential", "functional", "file"])
    def test_the_activation_of_a_named_layer_is_named_after_it(self, tmp_path: Path, form: str) -> None:
        op = un.Linear(2, activation="leaky_relu")
        x = un.Input(3)
        model = {
            "sequential": lambda: un.Sequential([("score", op)], input=(3,)),
            "functional": lambda: un.Model(x, op(x, name="score")),
            "file": lambda: read(tmp_path, 'input=[3]\nlayers=[{op="Linear", name="score", out_features=2, activation="leaky_relu"}]'),
        }[form]()
        assert names(model) == ["score", "score_leaky_relu"]
        assert model.layers[1].op == un.LeakyReLU() != un.ReLU()

    def test_who_names_a_layer_with_an_activation_in_a_file_gets_the_activated_value(self, tmp_path: Path) -> None:
        model = read(
            tmp_path,
            """
            input = [3, 8, 8]
            output = "a"
            layers = [
              {op = "Conv2d", name = "a", out_channels = 3, kernel_size = 1, activation = "relu"},
              {op = "Conv2d", name = "b", out_channels = 3, kernel_size = 1},
              {op = "Add", inputs = ["a", "b"]},
            ]
            """,
        )
        assert {layer.name: layer.inputs for layer in model.layers} == {
            "a": ("input",), "a_relu": ("a",), "b": ("a_relu",), "add1": ("a_relu", "b"),
        }  # fmt: skip
        assert model.outputs == ((None, "a_relu"),)

    def test_shorthand_expands_in_the_op_with_every_other_field_kept(self) -> None:
        layer = un.Sequential([un.Conv2d(4, 3, stride=2, padding=1, bias=False, activation="tanh")], input=(1, 8, 8)).layers[0]
        assert layer.op == un.Conv2d(4, 3, stride=2, padding=1, bias=False) != un.Conv2d(4, 3, stride=2, padding=1)

    @pytest.mark.parametrize("word", ["relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "silu", "gelu", "hardswish", "hardsigmoid", "softmax", "log_softmax"])  # fmt: skip
    def test_every_activation_has_a_shorthand(self, word: str) -> None:
        model = un.Sequential([un.Linear(2, activation=word)], input=(3,))
        assert type(model.layers[1].op).lowering() == word
        assert names(model) == ["linear1", f"{word}1"]


class TestGraphs:
    def test_branches_keep_both_readers(self) -> None:
        x = un.Input(3, 32, 32)
        y = un.Add()(x, un.Conv2d(3, 3, padding=1)(x))
        assert un.Model(x, y).layers[-1].inputs == ("input", "conv1")

    def test_several_inputs_in_a_tuple_are_numbered_and_in_a_dict_named(self) -> None:
        a, b = un.Input(3), un.Input(4)
        y = un.Concat()(a, b)
        assert un.Model((a, b), y).inputs == (("input1", (3,)), ("input2", (4,)))
        assert un.Model({"left": a, "right": b}, y).inputs == (("left", (3,)), ("right", (4,)))
        assert un.Model((a, b), y).layers[0].inputs == ("input1", "input2")

    def test_an_input_may_bring_its_name(self) -> None:
        x = un.Input(3, name="image")
        assert un.Model(x, un.ReLU()(x)).inputs == (("image", (3,)),)

    def test_several_outputs_are_a_tuple_or_a_dict(self) -> None:
        x = un.Input(3)
        y, z = un.ReLU()(x), un.Tanh()(x)
        assert un.Model(x, (y, z)).outputs == ((None, "relu1"), (None, "tanh1"))
        assert un.Model(x, {"a": z, "b": y}).outputs == (("a", "tanh1"), ("b", "relu1"))
        assert un.Model(x, (y, z)) != un.Model(x, (z, y))

    def test_layers_that_no_output_needs_are_left_out(self) -> None:
        x = un.Input(3)
        un.Tanh()(x)
        assert names(un.Model(x, un.ReLU()(x))) == ["relu1"]

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            pytest.param(lambda: un.Model(un.Input(3), un.ReLU()(un.Input(3))), ["not among the model's inputs"], id="an-input-that-is-not-given"),
            pytest.param(lambda: un.Model(un.ReLU()(un.Input(3)), un.ReLU()(un.Input(3))), ["un.Input"], id="a-layer-as-an-input"),
            pytest.param(lambda: un.Model([], []), ["symbols"], id="nothing-at-all"),
            pytest.param(lambda: un.Model.of([], []), ["at least one input"], id="no-input"),
            pytest.param(lambda: un.Model.of([("x", (3,))], [Layer("x", un.ReLU(), ("x",))]), ["'x'", "2 times"], id="an-input-and-a-layer-of-one-name"),
            pytest.param(lambda: un.Model.of([("x", (3,))], [Layer("a b", un.ReLU(), ("x",))]), ["'a b'", "letters"], id="a-name-with-a-space"),
            pytest.param(lambda: un.Model.of([("x", (3,))], [Layer("a", un.ReLU(), ("y",))]), ["model/a", "'y'"], id="an-unknown-input"),
            pytest.param(lambda: un.Model.of([("x", (3,))], [Layer("relu", un.ReLU(), ("x",))], [(None, "rellu")]), ["'rellu'", "Did you mean 'relu'"], id="an-unknown-output"),
            pytest.param(lambda: un.Sequential(["relu"], input=(3,)), ["'relu'", "Conv2d(20, 5)"], id="a-string-for-a-layer"),
            pytest.param(lambda: un.Sequential([un.ReLU()], input=(0, 3)), ["(0, 3)", "at least 1"], id="an-empty-input"),
            pytest.param(lambda: un.Sequential([un.ReLU()], input=3), ["without the batch axis"], id="a-number-for-a-shape"),
            pytest.param(lambda: un.Sequential([un.ReLU()], input=(3,), name=""), ["name", "non-empty"], id="a-model-without-a-name"),
            pytest.param(lambda: un.Input(2**32, 2**32), ["sizes"], id="an-input-no-machine-can-count"),
            pytest.param(lambda: un.ReLU()(3.0), ["ReLU", "float", "un.Input"], id="a-layer-called-on-a-number"),
            pytest.param(lambda: un.Add()(un.Input(3)), ["1 inputs", "two or more"], id="a-sum-of-one"),
            pytest.param(lambda: un.ReLU()(un.Input(3), un.Input(3)), ["2 inputs", "takes 1"], id="a-relu-of-two"),
        ],
    )  # fmt: skip
    def test_nonsense_is_refused(self, make: Any, words: list[str]) -> None:
        with pytest.raises(DescriptionError) as caught:
            make()
        missing = [word for word in words if word not in str(caught.value)]
        assert not missing, str(caught.value)

    def test_a_cycle_is_refused_naming_its_layers(self) -> None:
        layers = [
            Layer("in", un.ReLU(), ("x",)),
            Layer("a", un.Add(), ("in", "c")),
            Layer("b", un.ReLU(), ("a",)),
            Layer("c", un.ReLU(), ("b",)),
        ]
        with pytest.raises(DescriptionError, match="a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
            un.Model.of([("x", (3,))], layers)

    def test_layers_in_any_order_are_put_in_one_that_can_run(self) -> None:
        layers = [Layer("b", un.ReLU(), ("a",)), Layer("a", un.Tanh(), ("x",))]
        model = un.Model.of([("x", (3,))], layers, [(None, "b")])
        assert names(model) == ["a", "b"]
        assert model == un.Model.of([("x", (3,))], layers[::-1])
        assert model != un.Model.of([("x", (3,))], layers)  # whose output is the layer written last, a


class TestShapes:
    def test_leave_the_batch_axis_out(self) -> None:
        x = un.Input(3, 32, 32)
        y = un.Add()(x, un.Conv2d(3, 3, padding=1)(x))
        assert y.shape == (3, 32, 32)
        assert un.Model(x, y).input_shape == (3, 32, 32)
        assert un.Conv2d(8, 3, stride=2)(x).shape == (8, 15, 15)

    def test_an_input_takes_sizes_or_one_sequence(self) -> None:
        assert un.Input((3, 4)).shape == un.Input(3, 4).shape == (3, 4)  # type: ignore[arg-type]

    def test_the_shape_of_several_inputs_is_no_single_one(self) -> None:
        a, b = un.Input(3), un.Input(3)
        with pytest.raises(DescriptionError, match="2 inputs; read their shapes from model.inputs"):
            _ = un.Model((a, b), un.Add()(a, b)).input_shape

    def test_the_first_layer_that_does_not_fit_is_named(self) -> None:
        with pytest.raises(
            ShapeError, match=r"^lenet/conv2 \(Conv2d 50, 7x7\) cannot take 16x5x5: the window 7x7 exceeds the padded input 5x5\."
        ):
            un.Sequential([un.Conv2d(16, 4), un.Conv2d(50, 7), un.Conv2d(1, 9)], input=(1, 8, 8), name="lenet")

    def test_a_misfit_shows_when_the_layer_is_called(self) -> None:
        with pytest.raises(ShapeError, match="takes vectors. Put Flatten"):
            un.Linear(10)(un.Input(3, 4, 4))

    def test_a_value_no_machine_can_count_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="more numbers than a machine can count"):
            un.Conv2d(2**62, 1)(un.Input(1, 2, 2))


def test_reprs_say_what_a_thing_is() -> None:
    assert repr(sequential()) == "<Model sequential: 5 layers>"
    assert len(sequential()) == 5
    assert repr(un.Input(3, 4)) == "<Input of shape (3, 4)>"
    assert repr(un.ReLU()(un.Input(3))) == "<ReLU of shape (3,)>"


def test_an_automatic_name_avoids_those_that_were_given() -> None:
    given = un.Sequential([("conv1", un.Conv2d(2, 1)), un.Conv2d(2, 1), un.Conv2d(2, 1)], input=(1, 3, 3))
    assert [layer.name for layer in given.layers] == ["conv1", "conv2", "conv3"]
    later = un.Sequential([un.Conv2d(2, 1), ("conv1", un.Conv2d(2, 1))], input=(1, 3, 3))
    assert [layer.name for layer in later.layers] == ["conv2", "conv1"]
