"""The facts about every op: complete, well formed, and found under any name."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from typing import Any

import pytest

from unicnn.errors import UnknownNameError
from unicnn.explain import Row, explain, topics
from unicnn.ops import VOCABULARY

FRAMEWORKS = ["MXNet nd", "Gluon", "PyTorch", "TensorFlow/Keras", "JAX/Flax", "ONNX"]
ROWS = [pytest.param(row, id=f"{op}-{row.framework.key}") for op in topics() for row in explain(op).rows]


def keywords(call: str) -> dict[str, Any]:
    """Return the default values in a call; 1/6 is the only expression among them."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return value(node.left) / value(node.right)
        return ast.literal_eval(node)

    parsed = ast.parse(call, mode="eval").body
    assert isinstance(parsed, ast.Call)
    return {keyword.arg or "**": value(keyword.value) for keyword in parsed.keywords}


def required(call: str) -> list[str]:
    """Return the names of the arguments without a default."""
    parsed = ast.parse(call, mode="eval").body
    assert isinstance(parsed, ast.Call)
    return [ast.unparse(argument) for argument in parsed.args]


def _fields(cls: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)


def test_every_op_of_the_vocabulary_is_explained_and_no_other() -> None:
    assert sorted(topics()) == sorted(VOCABULARY)


@pytest.mark.parametrize("op", topics())
class TestEveryOp:
    def test_has_a_meaning_of_one_sentence_and_a_formula(self, op: str) -> None:
        explanation = explain(op)
        assert explanation.meaning.endswith(".")
        assert ". " not in explanation.meaning
        assert explanation.formula

    def test_has_a_row_for_each_framework(self, op: str) -> None:
        assert [row.framework.title for row in explain(op).rows] == FRAMEWORKS

    def test_states_the_arguments_and_defaults_of_the_vocabulary(self, op: str) -> None:
        call, parameters = explain(op).call, inspect.signature(VOCABULARY[op]).parameters
        checks = {field.name: field.metadata["check"] for field in _fields(VOCABULARY[op])}
        stated = keywords(call)
        assert call.startswith(f"{op}(")
        assert [*required(call), *stated] == list(parameters)
        for name, value in stated.items():
            assert checks[name](value) == checks[name](parameters[name].default), name

    def test_belongs_to_the_family_that_defines_it(self, op: str) -> None:
        assert VOCABULARY[op].__module__ == f"unicnn.ops.{explain(op).family}"


@pytest.mark.parametrize("row", ROWS)
class TestEveryRow:
    def test_has_a_call_that_reads_like_python_or_says_what_to_write_instead(self, row: Row) -> None:
        if row.call is None:
            assert row.instead
            assert row.name is row.arguments is None
        else:
            assert row.instead is None
            assert set(row.chosen) <= set(keywords(row.call))
            assert row.call == f"{row.name}({row.arguments})"

    def test_gives_its_sources_as_addresses(self, row: Row) -> None:
        sources = [row.source, *(trap.source for trap in row.traps)]
        assert all(source.startswith("https://") for source in sources)

    def test_states_its_traps_in_sentences(self, row: Row) -> None:
        assert all(trap.text.endswith(".") for trap in row.traps)

    def test_names_the_versions_of_what_was_verified(self, row: Row) -> None:
        verified = {row.verified_on, *(trap.verified_on for trap in row.traps)}
        assert verified <= {None, row.framework.versions}


@pytest.mark.parametrize(
    ("name", "op"),
    [
        *((op, op) for op in topics()),
        *((op.lower(), op) for op in topics()),
        ("Conv2D", "Conv2d"),
        ("nn.Conv2d", "Conv2d"),
        ("mx.nd.Convolution", "Conv2d"),
        ("keras.layers.Dense(10)", "Linear"),
        ("dense", "Linear"),
        ("max_pool2d", "MaxPool2d"),
        ("GlobalAvgPool2D", "AdaptiveAvgPool2d"),
        ("BatchNormalization", "BatchNorm2d"),
        ("batch norm", "BatchNorm2d"),
        ("Deconvolution", "ConvTranspose2d"),
        ("mx.nd.LeakyReLU", "LeakyReLU"),
        ("keras.layers.ReLU", "ReLU"),
        ("swish", "SiLU"),
        ("F.gelu", "GELU"),
        ("softmax_cross_entropy", "CrossEntropy"),
        ("MSELoss", "SquaredError"),
        ("cat", "Concat"),
    ],
)
def test_an_op_is_found_by_its_name_anywhere(name: str, op: str) -> None:
    assert explain(name).op == op


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("convolusion", r"known as 'convolusion'\. Did you mean Conv2d"),
        ("batchnrm", "Did you mean BatchNorm2d"),
        ("xyzzy", "There are Conv2d, ConvTranspose2d, .*SquaredError"),
        ("", "There are Conv2d"),
        ("Pooling", "'Pooling' may mean MaxPool2d, AvgPool2d or AdaptiveAvgPool2d"),
        ("mx.nd.Activation", "may mean ReLU, Sigmoid or Tanh"),
    ],
)
def test_a_name_of_no_op_or_of_several_gets_a_hint(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        explain(name)
