"""Descriptions and weights at rest: what is written is read again, and what is wrong is said in one paragraph."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unicnn as un
from unicnn.errors import DescriptionError, InputError
from unicnn.files import dumps
from unicnn.graph import infer

ZOO = list(un.zoo.names())
FORMATS = ["toml", "json"]

# Random models: a chain of images with branches that join again, then vectors


def sizes(low: int, high: int) -> Any:
    return st.integers(low, high) | st.tuples(st.integers(low, high), st.integers(low, high))


SIDES = sizes(0, 2) | st.tuples(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.tuples(st.integers(0, 2), st.integers(0, 2)))
ACTIVATION = st.sampled_from([None, None, "relu", "leaky_relu", "gelu", "hardsigmoid"])
FLOATS = st.floats(-4, 4, allow_nan=False) | st.integers(-3, 3)
IMAGE_OPS = st.one_of(
    st.builds(
        un.Conv2d, st.integers(1, 4), sizes(1, 3), sizes(1, 2), SIDES | st.sampled_from(["same", "valid"]), sizes(1, 2), bias=st.booleans(), activation=ACTIVATION
    ),
    st.builds(un.ConvTranspose2d, st.integers(1, 4), sizes(1, 3), sizes(1, 2), st.just(0), bias=st.booleans(), activation=ACTIVATION),
    st.builds(un.MaxPool2d, sizes(1, 2), st.none() | sizes(1, 2), st.sampled_from(["same", 0]), st.booleans()),
    st.builds(un.AvgPool2d, sizes(1, 2), st.none() | sizes(1, 2), st.just(0), st.booleans(), st.booleans()),
    st.builds(un.AdaptiveAvgPool2d, sizes(3, 5)),
    st.builds(un.BatchNorm2d, st.sampled_from([1e-5, 1e-3, 1]), st.floats(0, 1), st.booleans(), st.booleans(), st.sampled_from(["biased", "unbiased"])),
    st.builds(un.LayerNorm, st.sampled_from([-1, (1,), (1, -1), (2, 3)])),
    st.builds(un.Pad, SIDES, FLOATS),
    st.builds(un.LeakyReLU, FLOATS),
    st.builds(un.ELU, FLOATS),
    st.builds(un.Hardsigmoid, FLOATS, FLOATS),
    st.builds(un.GELU, st.sampled_from(["none", "tanh"])),
    st.builds(un.Softmax, st.sampled_from([1, 2, -1])),
    st.builds(un.Dropout, st.floats(0, 1)),
    st.sampled_from([un.ReLU(), un.ReLU6(), un.Sigmoid(), un.Tanh(), un.SiLU(), un.Hardswish(), un.Identity(), un.Transpose((0, 1, 3, 2))]),
)  # fmt: skip


@st.composite
def models(draw: Any) -> Any:
    """Draw a model; a layer that does not fit is left out."""
    sources = [un.Input(2, 8, 8, name=draw(st.sampled_from([None, "image"]))) for _ in range(draw(st.integers(1, 2)))]
    if len(sources) == 2 and sources[0].name == sources[1].name == "image":
        sources[1] = un.Input(2, 8, 8)
    value, *others = sources
    values = [value]
    for op in draw(st.lists(IMAGE_OPS, min_size=1, max_size=6)):
        try:
            value = op(value, name=draw(st.sampled_from([None, None, f"layer{len(values)}"])))
        except DescriptionError:
            continue
        fellows = [other for other in values if other.shape == value.shape]
        if fellows and draw(st.booleans()):
            value = draw(st.sampled_from([un.Add(), un.Mul(), un.Concat(), un.Add(activation="relu")]))(value, fellows[-1])
        values.append(value)
    for other in others:
        value = un.Concat()(un.Flatten()(value), un.Reshape((-1,))(other))
    if draw(st.booleans()):
        value = un.Linear(draw(st.integers(1, 5)), bias=draw(st.booleans()), activation=draw(ACTIVATION))(un.Flatten()(value))
    if value.op is None:
        value = un.Identity()(value)
    outputs: Any = draw(st.sampled_from([value, {"score": value}, (value, value.inputs[0]), {"b": value, "a": value.inputs[0]}]))
    return un.Model(sources, outputs, name=draw(st.sampled_from(["net", "Grüße, 世界", 'with "quotes"', "a.b"])))


@pytest.mark.parametrize("kind", FORMATS)
class TestRoundTrip:
    @pytest.mark.parametrize("name", ZOO)
    def test_a_network_of_the_zoo_comes_back(self, tmp_path: Path, kind: str, name: str) -> None:
        model = un.zoo.get(name)
        un.save(model, tmp_path / f"net.{kind}")
        found = un.load(tmp_path / f"net.{kind}")
        assert found == model
        assert found != un.zoo.get(ZOO[ZOO.index(name) - 1])
        assert found.name == model.name
        assert infer(found).multiply_adds == infer(model).multiply_adds

    @pytest.mark.parametrize("name", ZOO)
    def test_the_text_of_a_network_of_the_zoo_is_stable(self, tmp_path: Path, kind: str, name: str) -> None:
        path = tmp_path / f"net.{kind}"
        un.save(un.zoo.get(name), path)
        text = path.read_text(encoding="utf-8")
        un.save(un.load(path), path)
        assert path.read_text(encoding="utf-8") == text
        assert dumps(un.zoo.get(ZOO[ZOO.index(name) - 1]), kind) != text

    @settings(
        max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
    )
    @given(model=models())
    def test_any_network_comes_back_and_its_text_is_stable(self, tmp_path: Path, kind: str, model: Any) -> None:
        path = tmp_path / f"net.{kind}"
        un.save(model, path)
        found = un.load(path)
        assert found == model
        assert found.name == model.name
        assert dumps(found, kind) == path.read_text(encoding="utf-8")
        assert infer(found).shapes == infer(model).shapes

    def test_a_field_that_differs_makes_another_model(self, tmp_path: Path, kind: str) -> None:
        un.save(un.zoo.lenet(), tmp_path / f"net.{kind}")
        text = (tmp_path / f"net.{kind}").read_text(encoding="utf-8")
        assert text.count("50") == 1
        (tmp_path / f"net.{kind}").write_text(text.replace("50", "51"), encoding="utf-8")
        assert un.load(tmp_path / f"net.{kind}") != un.zoo.lenet()

    def test_a_file_without_a_name_is_called_after_itself(self, tmp_path: Path, kind: str) -> None:
        text = {"toml": 'input=[3]\nlayers=[{op="ReLU"}]', "json": '{"input": [3], "layers": [{"op": "ReLU"}]}'}[kind]
        (tmp_path / f"small.{kind}").write_text(text, encoding="utf-8")
        assert un.load(tmp_path / f"small.{kind}").name == "small"

    def test_the_suffix_may_be_in_capitals(self, tmp_path: Path, kind: str) -> None:
        un.save(un.zoo.lenet(), tmp_path / f"net.{kind.upper()}")
        assert un.load(tmp_path / f"net.{kind.upper()}") == un.zoo.lenet()


def test_what_a_saved_file_leaves_out_is_what_goes_without_saying() -> None:
    model = un.Sequential([un.Conv2d(4, 3, stride=1, padding=(1, 1), activation="relu")], input=(1, 8, 8), name="net")
    assert json.loads(dumps(model, "json")) == {
        "name": "net",
        "input": [1, 8, 8],
        "layers": [{"op": "Conv2d", "name": "conv1", "out_channels": 4, "kernel_size": 3, "padding": 1}, {"op": "ReLU", "name": "relu1"}],
    }


# Malformed descriptions: the file, the place and what is wanted

LENET = """
name = "mine"
input = [1, 28, 28]
layers = [
  {op = "Conv2d", name = "c", out_channels = 2, kernel_size = 3, activation = "relu"},
  {op = "Flatten"},
  {op = "Linear", out_features = 4},
  {LAYER},
]
"""


def bad(id: str, text: str | bytes, *words: str, name: str = "net.toml") -> Any:
    return pytest.param(name, text, words, id=id)


def bad_layer(id: str, layer: str, *words: str) -> Any:
    return bad(id, LENET.replace("{LAYER}", layer), *words)


def bad_json(id: str, document: Any, *words: str) -> Any:
    return bad(id, document if isinstance(document, str) else json.dumps(document), *words, name="net.json")


MALFORMED = [
    bad_layer("an-unknown-op-gets-the-closest-one", '{op = "Cnv2d"}', "net.toml: layers[3].op", "'Cnv2d'", "Did you mean 'Conv2d'?"),
    bad_layer("an-op-in-the-wrong-case-gets-the-right-one", '{op = "relu"}', "layers[3].op", "Did you mean 'ReLU'?"),
    bad_layer("an-unknown-field-is-named-by-its-path", '{op = "Conv2d", out_channels = 2, kernl_size = 3}', "net.toml: layers[3].kernl_size", "Did you mean 'kernel_size'?"),
    bad_layer("a-field-of-another-op", '{op = "ReLU", slope = 0.1}', "layers[3].slope", "ReLU has no such field"),
    bad_layer("a-missing-field", '{op = "Conv2d", kernel_size = 3}', "layers[3]", "Conv2d needs out_channels."),
    bad_layer("two-missing-fields", '{op = "Conv2d"}', "layers[3]", "Conv2d needs out_channels and kernel_size."),
    bad_layer("a-missing-op", '{out_channels = 2}', "layers[3]", "a table with an op"),
    bad_layer("a-layer-that-is-no-table", '"ReLU"', "layers[3]", "a table with an op"),
    bad_layer("an-op-that-is-no-string", '{op = 5}', "layers[3]: op must be a non-empty string, not 5"),
    bad_layer("an-empty-op", '{op = ""}', "layers[3]: op must be a non-empty string"),
    bad_layer("a-string-for-a-size", '{op = "Linear", out_features = "4"}', "layers[3]", "out_features", "'4'"),
    bad_layer("a-float-for-a-size", '{op = "Linear", out_features = 4.0}', "layers[3]", "out_features", "4.0"),
    bad_layer("a-boolean-for-a-size", '{op = "Linear", out_features = true}', "layers[3]", "out_features must be an integer of at least 1, not True"),
    bad_layer("a-negative-size", '{op = "Linear", out_features = -4}', "layers[3]", "out_features", "-4"),
    bad_layer("a-table-for-a-size", '{op = "Linear", out_features = {a = 1}}', "layers[3]", "out_features"),
    bad_layer("a-date-for-a-size", '{op = "Linear", out_features = 2020-01-01}', "layers[3]", "out_features"),
    bad_layer("three-sizes-for-two", '{op = "Conv2d", out_channels = 2, kernel_size = [1, 2, 3]}', "layers[3]", "kernel_size", "one integer or two"),
    bad_layer("an-integer-for-a-flag", '{op = "Linear", out_features = 4, bias = 1}', "layers[3]", "bias must be true or false, not 1"),
    bad_layer("a-number-that-is-none", '{op = "LeakyReLU", negative_slope = nan}', "layers[3]", "negative_slope must be a finite number, not nan"),
    bad_layer("an-infinite-number", '{op = "LeakyReLU", negative_slope = inf}', "layers[3]", "negative_slope", "inf"),
    bad_layer("a-boolean-for-a-number", '{op = "LeakyReLU", negative_slope = true}', "layers[3]", "negative_slope", "True"),
    bad_layer("a-number-beyond-every-float", f'{{op = "LeakyReLU", negative_slope = {10**400}}}', "layers[3]", "negative_slope must be a finite number"),
    bad_layer("a-number-of-too-many-digits", f'{{op = "Linear", out_features = {"9" * 5000}}}', "net.toml", "not valid TOML"),
    bad_layer("a-size-no-machine-can-count", f'{{op = "Linear", out_features = {10**30}}}', "layers[3]", "out_features", str(2**63 - 1)),
    bad_layer("more-adaptive-windows-than-can-be-listed", '{op = "AdaptiveAvgPool2d", output_size = 1000000000}', "layers[3]", "output_size", "65536"),
    bad_layer("an-unknown-choice", '{op = "GELU", approximate = "fast"}', "layers[3]", "approximate", '"tanh"', "'fast'"),
    bad_layer("an-unknown-activation", '{op = "Linear", out_features = 4, activation = "Relu"}', "layers[3]", "activation", "'Relu'"),
    bad_layer("a-name-that-is-no-string", '{op = "ReLU", name = 3}', "layers[3]", "name must be a non-empty string"),
    bad_layer("a-name-with-a-space", '{op = "ReLU", name = "a b"}', "net.toml", "'a b'"),
    bad_layer("a-name-used-twice", '{op = "ReLU", name = "c"}', "net.toml", "the name 'c' is used 2 times"),
    bad_layer("the-name-of-the-input", '{op = "ReLU", name = "input"}', "net.toml", "the name 'input' is used 2 times"),
    bad_layer("an-unknown-input", '{op = "ReLU", inputs = ["flaten1"]}', "net.toml", "mine/relu1", "'flaten1' is not a layer", "Did you mean 'flatten1'?"),
    bad_layer("inputs-that-are-no-list", '{op = "ReLU", inputs = "c"}', "layers[3].inputs", "list", "'c'"),
    bad_layer("inputs-that-are-no-names", '{op = "ReLU", inputs = [1]}', "layers[3].inputs", "names"),
    bad_layer("no-inputs", '{op = "ReLU", inputs = []}', "layers[3].inputs", "[]"),
    bad_layer("a-layer-that-takes-itself", '{op = "ReLU", name = "r", inputs = ["r"]}', "net.toml", "r -> r", "cycle"),
    bad_layer("a-layer-called-import-is-not-run", """{op = "__import__('os')"}""", "layers[3].op", "There is no op called"),
    bad("a-cycle-names-its-layers", 'input=[3]\nlayers=[{op="Add", name="a", inputs=["input", "b"]}, {op="ReLU", name="b", inputs=["a"]}]', "net.toml", "b -> a -> b", "cycle"),
    bad("missing-layers", "input = [3]", "net.toml", "layers must be a non-empty list"),
    bad("no-layers", "input = [3]\nlayers = []", "net.toml", "layers must be a non-empty list"),
    bad("layers-that-are-a-table", "input = [3]\n[layers]\nop = 'ReLU'", "net.toml", "layers must be a non-empty list"),
    bad("no-input", "layers = [{op='ReLU'}]", "net.toml", "either input", "or a table inputs"),
    bad("both-input-and-inputs", "input = [3]\nlayers = [{op='ReLU'}]\n[inputs]\na = [3]", "net.toml", "either input"),
    bad("both-output-and-outputs", "input = [3]\noutput='relu1'\noutputs=['relu1']\nlayers = [{op='ReLU'}]", "net.toml", "output or outputs, not both"),
    bad("an-input-of-no-size", "input = [0, 3]\nlayers = [{op='ReLU'}]", "net.toml: input must be a list of sizes", "[0, 3]"),
    bad("an-input-of-booleans", "input = [true]\nlayers = [{op='ReLU'}]", "net.toml: input", "[True]"),
    bad("an-input-that-is-a-string", "input = '3'\nlayers = [{op='ReLU'}]", "net.toml: input", "'3'"),
    bad("an-empty-input", "input = []\nlayers = [{op='ReLU'}]", "net.toml: input", "[]"),
    bad("inputs-that-are-a-list", "inputs = [3]\nlayers = [{op='ReLU'}]", "net.toml: inputs must be a table"),
    bad("one-of-several-inputs", "inputs = {a = [3], b = [-1]}\nlayers = [{op='Add', inputs = ['a', 'b']}]", "net.toml: inputs.b", "[-1]"),
    bad("several-inputs-and-a-layer-that-takes-none", "inputs = {a = [3], b = [3]}\nlayers = [{op='ReLU'}]", "net.toml: layers[0].inputs", "names"),
    bad("an-input-no-machine-can-count", f"input = [{2**40}, {2**40}]\nlayers = [{{op='ReLU'}}]", "net.toml", "sizes"),
    bad("an-output-that-is-not-there", "input = [3]\noutput = 'relu'\nlayers = [{op='ReLU'}]", "net.toml", "'relu' is not a layer", "Did you mean 'relu1'?"),
    bad("an-output-that-is-no-name", "input = [3]\noutput = 1\nlayers = [{op='ReLU'}]", "net.toml: outputs must be", "1"),
    bad("an-unknown-key", "input = [3]\nlayer = []\nlayers = [{op='ReLU'}]", "net.toml: unknown key 'layer'", "Did you mean 'layers'?"),
    bad("a-name-that-is-a-number", "name = 3\ninput = [3]\nlayers = [{op='ReLU'}]", "net.toml: name must be a non-empty string, not 3"),
    bad("an-empty-file", "", "net.toml", "either input"),
    bad("what-is-no-toml", "input = [3", "net.toml: is not valid TOML", "Unclosed array"),
    bad("a-key-given-twice", "input = [3]\ninput = [4]", "net.toml: is not valid TOML"),
    bad("what-is-not-utf-8", b"input = [3]\nname = '\xff'", "net.toml", "not text", "UTF-8"),
    bad("what-is-binary", bytes(range(256)), "net.toml", "not text"),
    bad_json("an-empty-json-file", "", "net.json: is not valid JSON", "line 1"),
    bad_json("half-a-json-file", '{"input": [3], "layers": [', "net.json: is not valid JSON"),
    bad_json("a-json-list", [], "net.json: must be a table", "list"),
    bad_json("a-json-number", "3", "net.json: must be a table", "int"),
    bad_json("a-json-null", "null", "net.json: must be a table", "NoneType"),
    bad_json("a-json-nan", '{"input": [NaN], "layers": [{"op": "ReLU"}]}', "net.json: input", "nan"),
    bad_json("a-json-infinity", '{"input": [3], "layers": [{"op": "Dropout", "p": Infinity}]}', "net.json: layers[0]", "inf"),
    bad_json("a-null-for-a-size", {"input": [3], "layers": [{"op": "Linear", "out_features": None}]}, "net.json: layers[0]", "out_features", "None"),
    bad_json("an-unknown-field-in-json", {"input": [3], "layers": [{"op": "Linear", "units": 3}]}, "net.json: layers[0].units", "Linear has no such field"),
    bad_json("a-field-that-python-has-and-an-op-has-not", {"input": [3], "layers": [{"op": "Linear", "__class__": 3}]}, "net.json: layers[0].__class__"),
    bad_json("json-nested-without-end", "[" * 100_000, "net.json", "nested too deeply"),
    bad("toml-nested-without-end", "a = " + "[" * 100_000, "net.toml", "nested too deeply"),
    bad("a-wrong-suffix", "input = [3]", "net.yaml", ".toml or .json", name="net.yaml"),
    bad("no-suffix", "input = [3]", "net", ".toml or .json", name="net"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words"), MALFORMED)
def test_a_malformed_description_is_refused_in_one_paragraph(tmp_path: Path, name: str, text: Any, words: Any) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DescriptionError) as caught:
        un.load(tmp_path / name)
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("depth", range(800, 1010, 3))
def test_json_nested_almost_too_deeply_is_refused_too(tmp_path: Path, depth: int) -> None:
    (tmp_path / "net.json").write_text(
        f'{{"input": [4], "layers": [{{"op": "Reshape", "shape": {"[" * depth}{"]" * depth}}}]}}', encoding="utf-8"
    )
    with pytest.raises(DescriptionError, match=r"net\.json"):
        un.load(tmp_path / "net.json")


def test_the_description_that_the_malformed_ones_were_made_from_is_fine(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_text(LENET.replace("{LAYER}", '{op = "ReLU"}'), encoding="utf-8")
    assert [layer.name for layer in un.load(tmp_path / "net.toml").layers] == ["c", "c_relu", "flatten1", "linear1", "relu1"]


def test_a_layer_that_does_not_fit_is_named_when_the_network_is_inferred(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_text(LENET.replace("{LAYER}", '{op = "MaxPool2d", kernel_size = 2}'), encoding="utf-8")
    with pytest.raises(DescriptionError, match=r"^mine/pool1 \(MaxPool2d 2x2\) cannot take 4"):
        infer(un.load(tmp_path / "net.toml"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda path: path.mkdir(), "directory", id="a-directory"),
        pytest.param(lambda path: None, "No such file", id="a-missing-file"),
        pytest.param(lambda path: path.symlink_to(path), "symbolic links", id="a-link-to-itself"),
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, kind: str, make: Any, why: str) -> None:
    make(tmp_path / f"net.{kind}")
    with pytest.raises(DescriptionError, match=rf"net\.{kind}: cannot be read \(.*{why}.*\)"):
        un.load(tmp_path / f"net.{kind}")


class TestSaving:
    def test_another_suffix_is_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(DescriptionError, match=r"\.toml or \.json"):
            un.save(un.zoo.lenet(), tmp_path / "net.yaml")
        assert not list(tmp_path.iterdir())

    def test_a_missing_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DescriptionError, match=r"net\.toml: cannot be written \(No such file or directory\)"):
            un.save(un.zoo.lenet(), tmp_path / "missing" / "net.toml")


# Weights


def drawn() -> dict[str, Any]:
    return un.initial_weights(un.zoo.lenet(), 3)


class TestWeights:
    def test_come_back_bit_by_bit(self, tmp_path: Path) -> None:
        weights = drawn()
        un.save_weights(weights, tmp_path / "w.safetensors")
        found = un.load_weights(tmp_path / "w.safetensors")
        assert {name: (value.dtype, value.shape, value.tobytes()) for name, value in found.items()} == {
            name: (value.dtype, value.shape, value.tobytes()) for name, value in weights.items()
        }
        weights["conv1.bias"][0] += 1
        assert found["conv1.bias"].tobytes() != weights["conv1.bias"].tobytes()

    @pytest.mark.parametrize(
        "array",
        [
            pytest.param(np.arange(12.0).reshape(3, 4).T, id="a-transposed-array"),
            pytest.param(np.arange(12.0)[::-2], id="a-strided-array"),
            pytest.param(np.zeros((0, 3), np.float32), id="an-empty-array"),
            pytest.param(np.array([np.nan, -np.inf, -0.0]), id="nan-infinity-and-minus-zero"),
            pytest.param(np.arange(3, dtype=np.int64), id="integers"),
        ],
    )
    def test_keep_their_values_whatever_their_memory(self, tmp_path: Path, array: Any) -> None:
        un.save_weights({"a": array}, tmp_path / "w.safetensors")
        found = un.load_weights(tmp_path / "w.safetensors")["a"]
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, np.ascontiguousarray(array).tobytes())

    def test_that_were_read_may_be_written_to(self, tmp_path: Path) -> None:
        un.save_weights(drawn(), tmp_path / "w.safetensors")
        found = un.load_weights(tmp_path / "w.safetensors")
        program = un.lower(un.zoo.lenet(), "numpy", weights=found)
        found["conv1.bias"] = found["conv1.bias"] + 1
        assert program.weights()["conv1.bias"].tobytes() == drawn()["conv1.bias"].tobytes() != found["conv1.bias"].tobytes()

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
    def test_of_a_truncated_file_are_refused(self, tmp_path: Path, share: float) -> None:
        path = tmp_path / "w.safetensors"
        un.save_weights(drawn(), path)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match="not a complete safetensors file") as caught:
            un.load_weights(path)
        assert "\n" not in str(caught.value)
        assert "w.safetensors" in str(caught.value)

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.", id="a-pickle"),
            pytest.param(b"PK\x03\x04" + bytes(60), id="a-zip"),
            pytest.param(b"\x93NUMPY\x01\x00" + bytes(60), id="an-npy"),
            pytest.param(b"hello", id="a-few-words"),
            pytest.param(struct.pack("<Q", 2**62) + b"{}", id="a-header-longer-than-any-memory"),
            pytest.param(struct.pack("<Q", 8) + b"not json", id="a-header-that-is-no-json"),
            pytest.param(b'>\x00\x00\x00\x00\x00\x00\x00{"a":{"dtype":"F32","shape":[99999999],"data_offsets":[0,4]}}\x00\x00\x00\x00', id="a-shape-beyond-its-data"),
        ],
    )  # fmt: skip
    def test_of_another_format_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "w.safetensors").write_bytes(content)
        with pytest.raises(InputError, match=r"w\.safetensors: is not a complete safetensors file") as caught:
            un.load_weights(tmp_path / "w.safetensors")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("action", [un.load_weights, lambda path: un.save_weights(drawn(), path)], ids=["reading", "writing"])
    @pytest.mark.parametrize("place", ["folder", "missing/w.safetensors"])
    def test_in_an_impossible_place_are_refused(self, tmp_path: Path, action: Any, place: str) -> None:
        (tmp_path / "folder").mkdir()
        with pytest.raises(InputError, match="the weights cannot be"):
            action(tmp_path / place)
