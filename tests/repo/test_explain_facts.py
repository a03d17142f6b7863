"""The facts that unicnn.explain states about the frameworks, checked against those installed."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unicnn.explain import Row, explain, topics

NAMESPACES = {"mx": "mxnet", "tf": "tensorflow"}
ROWS = [(op, row) for op in topics() for row in explain(op).rows]
NAMED = [(op, row) for op, row in ROWS if row.call is not None]


def rows_of(*keys: str) -> list[Any]:
    """Return the rows of frameworks that have the op, as parameters with readable ids."""
    return [pytest.param(row, id=f"{op}-{row.framework.key}") for op, row in NAMED if row.framework.key in keys]


def load(name: str) -> Any:
    """Return what a dotted name means, or skip the test if its package is not installed."""
    package, *path = name.split(".")
    package = NAMESPACES.get(package, package)
    if package == "mxnet" and "bool" not in vars(np):
        # MXNet 1.9 asks for a name that NumPy dropped in 1.24.
        np.bool = builtins.bool  # type: ignore[attr-defined]
    found = pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    for word in path:
        if not hasattr(found, word):
            importlib.import_module(f"{found.__name__}.{word}")
        found = getattr(found, word)
    return found


def split(row: Row) -> tuple[list[str], dict[str, Any]]:
    """Return the arguments of a row's call that must be given, and the defaults of the others."""
    assert row.call is not None
    call = ast.parse(row.call, mode="eval").body
    assert isinstance(call, ast.Call)
    given = [argument.id for argument in call.args if isinstance(argument, ast.Name)]
    values = {str(item.arg): ast.literal_eval(item.value) for item in call.keywords}
    chosen = [name for name in values if name in row.chosen]
    return given + chosen, {name: value for name, value in values.items() if name not in chosen}


@pytest.mark.parametrize("row", rows_of("gluon", "pytorch", "keras", "flax"))
def test_the_python_signature_has_the_stated_arguments_and_defaults(row: Row) -> None:
    function = load(str(row.name))
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        pytest.skip(f"{row.name} is built in and has no signature: it exists, no more can be said")
    given, defaults = split(row)
    if not any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values()):
        assert set(given) <= set(parameters)
        required = {name for name in given if name not in row.chosen}
        assert all(parameters[name].default is inspect.Parameter.empty for name in required)
    assert {name: parameters[name].default for name in defaults} == defaults


@pytest.mark.parametrize("row", rows_of("mxnet_nd"))
def test_the_generated_docstring_of_mxnet_has_the_stated_defaults(row: Row) -> None:
    given, defaults = split(row)
    documented = _documented(load(str(row.name)).__doc__)
    assert set(given) <= set(documented)
    assert {name: _read(documented[name]) for name in defaults} == defaults


def _documented(doc: str) -> dict[str, str]:
    """Return the description of each argument in an operator's docstring: `float, optional, …`."""
    return dict(re.findall(r"^(\w+) : (.*)$", doc, re.MULTILINE))


def _read(description: str) -> Any:
    """Return the default in an argument's description, as Python would write it."""
    text = description.rpartition("default=")[2].strip("'")
    if description.startswith("boolean"):
        return {"0": False, "1": True}.get(text)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return tuple(value) if isinstance(value, list) else _rounded(value)


@pytest.mark.parametrize("row", rows_of("onnx"))
def test_the_schema_of_onnx_has_the_stated_inputs_and_attributes(row: Row) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    schema = onnx.defs.get_schema(row.name)
    optional = onnx.defs.OpSchema.FormalParameterOption.Optional
    attributes = {name: _attribute(onnx, item) for name, item in schema.attributes.items()}
    allowed = {item.name: None for item in schema.inputs if item.option == optional} | attributes
    given, defaults = split(row)
    assert set(given) <= {item.name for item in schema.inputs} | set(attributes)
    assert {name: _rounded(allowed[name]) for name in defaults} == defaults


def _rounded(value: Any) -> Any:
    """Undo the trip through float32 that 0.2 made: 0.20000000298."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _attribute(onnx: Any, attribute: Any) -> Any:
    if not attribute.default_value.name:
        return None
    value = onnx.helper.get_attribute_value(attribute.default_value)
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, id=f"{op}-{name}") for op, row in ROWS for name in row.also if row.framework.key != "onnx"],
)
def test_another_name_exists(name: str) -> None:
    assert callable(load(name))


class TestMxnetTraps:
    @pytest.fixture
    def nd(self) -> Any:
        """Return MXNet's imperative operators."""
        return load("mx.nd")

    def test_pooling_without_a_stride_moves_by_one(self, nd: Any) -> None:
        assert nd.Pooling(nd.ones((1, 1, 3, 3)), kernel=(2, 2)).shape == (1, 1, 2, 2)

    def test_batch_norm_overwrites_its_scale_with_ones_unless_told_otherwise(self, nd: Any) -> None:
        x, scale, zero, one = nd.ones((2, 1, 2, 2)), nd.ones(1) * 5, nd.zeros(1), nd.ones(1)
        assert nd.BatchNorm(x, scale, zero, zero, one, fix_gamma=False).max().asscalar() > 4.9
        assert nd.BatchNorm(x, scale, zero, zero, one).max().asscalar() < 1.01
        assert scale.asscalar() == 1

    @pytest.mark.parametrize("take", ["nd", "gluon"])
    def test_layer_norm_takes_one_axis_only(self, take: str, nd: Any) -> None:
        mxnet, x = load("mx"), nd.ones((2, 3, 4))
        with pytest.raises(mxnet.MXNetError, match="axis"):
            _layer_norm(mxnet, take, x).asnumpy()

    def test_padding_takes_images_only(self, nd: Any) -> None:
        with pytest.raises(load("mx").MXNetError):
            nd.pad(nd.ones((2, 2)), mode="constant", pad_width=(0, 0, 1, 1)).asnumpy()

    def test_elemwise_add_does_not_repeat_axes(self, nd: Any) -> None:
        with pytest.raises(load("mx").MXNetError):
            nd.elemwise_add(nd.ones((2, 3)), nd.ones((1, 3))).asnumpy()


def _layer_norm(mxnet: Any, take: str, x: Any) -> Any:
    if take == "nd":
        return mxnet.nd.LayerNorm(x, x[0], x[0], axis=(1, 2))
    layer = mxnet.gluon.nn.LayerNorm(axis=(1, 2), in_channels=12)
    layer.initialize()
    return layer(x)


class TestPytorchTraps:
    @pytest.mark.parametrize(
        ("refused", "message"),
        [
            pytest.param(
                lambda torch: torch.nn.Conv2d(1, 1, 3, stride=2, padding="same"),
                "strided",
                id="same padding with a stride",
            ),
            pytest.param(
                lambda torch: torch.nn.MaxPool2d(3, padding=2)(torch.ones(1, 1, 9, 9)),
                "half",
                id="padding above half the window",
            ),
            pytest.param(
                lambda torch: torch.nn.CrossEntropyLoss()(torch.ones(2, 3), torch.zeros(2, dtype=torch.int32)),
                "Long",
                id="int32 labels",
            ),
            pytest.param(
                lambda torch: torch.nn.BatchNorm2d(3)(torch.ones(1, 3, 1, 1)),
                "more than 1 value",
                id="batch norm of one value",
            ),
        ],
    )
    def test_pytorch_refuses(self, refused: Callable[[Any], Any], message: str) -> None:
        with pytest.raises((ValueError, RuntimeError), match=message):
            refused(load("torch"))

    def test_functional_pad_takes_the_last_axis_first(self) -> None:
        torch = load("torch")
        padded = torch.nn.functional.pad(torch.ones(1, 1, 2, 2), (1, 2, 3, 4))
        assert padded.shape == (1, 1, 2 + 3 + 4, 2 + 1 + 2)


class TestKerasTraps:
    def test_flatten_gives_height_width_channels_in_either_format(self) -> None:
        layers, image = load("keras").layers, np.arange(8.0).reshape(1, 2, 2, 2)
        flat = np.asarray(layers.Flatten(data_format="channels_first")(image))
        assert flat.tolist() == image.transpose(0, 2, 3, 1).reshape(1, -1).tolist()

    def test_permute_counts_from_one_without_the_batch(self) -> None:
        assert load("keras").layers.Permute((2, 1))(np.ones((2, 3, 4))).shape == (2, 4, 3)

    def test_transposed_kernels_are_height_width_out_in(self) -> None:
        layer = load("keras").layers.Conv2DTranspose(5, 2)
        layer.build((None, 4, 4, 3))
        assert tuple(layer.kernel.shape) == (2, 2, 5, 3)

    def test_global_pooling_drops_the_spatial_axes(self) -> None:
        layers, image = load("keras").layers, np.ones((2, 5, 5, 3))
        assert layers.GlobalAveragePooling2D()(image).shape == (2, 3)
