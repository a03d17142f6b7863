"""The laws of the house that a machine can check: same names, same signatures, same files, and no framework in the core."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from unicnn import oracle, plugins
from unicnn.backend import FAMILIES, Runtime
from unicnn.derivatives import RULES
from unicnn.numerics import bounds
from unicnn.numerics.identical.primitives import Primitives
from unicnn.ops import VOCABULARY
from unicnn.ops.base import family

ROOT = Path(__file__).parents[2]
CORE = sorted(ROOT.joinpath("unicnn").rglob("*.py"))
FRAMEWORKS = {"torch", "tensorflow", "keras", "mxnet", "jax", "cupy", "flax", "onnx"}
LOWERED = [op for op in VOCABULARY.values() if not op.__dict__.get("vanishes") or op.masked]


def arguments(function: object) -> list[tuple[str, str]]:
    """Return the names and kinds of a function's parameters; how they are typed is each framework's business."""
    return [(item.name, item.kind.name) for item in inspect.signature(function).parameters.values()]  # type: ignore[arg-type]


@pytest.mark.parametrize("op", LOWERED, ids=lambda op: op.lowering())
def test_every_backend_has_the_op_in_the_same_file_with_the_same_signature(op: type, backend: str) -> None:
    function = plugins.backend(backend).function(family(op), op.lowering())  # type: ignore[attr-defined]
    assert function is not None
    assert arguments(function) == arguments(getattr(oracle, op.lowering()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("op", LOWERED, ids=lambda op: op.lowering())
def test_every_op_has_one_derivative_one_bound_and_cases(op: type) -> None:
    name = op.lowering()  # type: ignore[attr-defined]
    settings = importlib.import_module(f"unicnn.conformance.cases.{family(op)}").SETTINGS
    assert name in RULES
    assert hasattr(bounds.TABLE, name)
    assert any(type(setting.op) is op for setting in settings)


def test_the_vocabulary_fills_the_families() -> None:
    assert {family(op) for op in VOCABULARY.values()} == set(FAMILIES)
    assert len(VOCABULARY) >= 31


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_no_framework(path: Path) -> None:
    assert not imported(path) & FRAMEWORKS


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_never_asks_which_backend_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    compared = [
        side.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and isinstance(side.value, str)
    ]
    assert not set(compared) & {"torch", "tensorflow", "mxnet", "jax", "numpy"}


GRADIENTS = {
    "conv2d_input_gradient": "conv",
    "conv2d_weight_gradient": "conv",
    "linear_weight_gradient": "linear",
    "max_pool2d_gradient": "pool",
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_every_backend_has_the_gradient_in_the_same_file_with_the_same_signature(name: str, backend: str) -> None:
    function = plugins.backend(backend).function(GRADIENTS[name], name)
    assert function is not None
    assert arguments(function) == arguments(getattr(oracle, name))


PRIMITIVES = [name for name, value in vars(Primitives).items() if isinstance(value, staticmethod)]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_backend_has_the_primitive_of_identical_numerics_with_the_same_signature(name: str, backend: str) -> None:
    exact = importlib.import_module(f"unicnn_{backend}.exact")
    assert arguments(getattr(exact, name)) == arguments(getattr(Primitives, name))


def test_no_backend_has_primitives_of_its_own(backend: str) -> None:
    exact = importlib.import_module(f"unicnn_{backend}.exact")
    public = {name for name, value in vars(exact).items() if inspect.isfunction(value) and value.__module__ == exact.__name__}
    assert {name for name in public if not name.startswith("_")} == set(PRIMITIVES)
    assert len(PRIMITIVES) >= 20


def test_every_runtime_follows_the_contract(backend: str) -> None:
    runtime = plugins.backend(backend).runtime
    assert issubclass(runtime, Runtime)
    for name in ("tensor", "array", "is_tensor", "dtype_of", "pack", "unpack", "compile", "vjp"):
        assert arguments(getattr(runtime, name)) == arguments(getattr(Runtime, name)), name
