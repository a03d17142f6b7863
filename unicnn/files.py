"""Descriptions and weights at rest: TOML, JSON and safetensors. Nothing is ever unpickled or evaluated."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicnn.errors import DescriptionError, InputError, closest
from unicnn.model import Layer, Model, Names, expand
from unicnn.ops.base import lookup
from unicnn.ops.fields import is_sequence

if TYPE_CHECKING:
    import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOP = {"name", "input", "inputs", "layers", "output", "outputs"}


def load(path: str | Path) -> Model:
    """Return the model that a .toml or .json file describes; a DescriptionError says where in the file it is wrong."""
    path = Path(path)
    return from_dict(read_document(path), where=path.name, name=path.stem)


def save(model: Model, path: str | Path) -> None:
    """Write `model` to a .toml or .json file, from which `load` returns an equal one."""
    path = Path(path)
    write_document(to_dict(model), path, _format(path))


def dumps(model: Model, format: str = "toml") -> str:
    """Return `model` as TOML or JSON text."""
    return document_text(to_dict(model), format)


def document_text(document: Mapping[str, Any], format: str) -> str:
    """Return plain tables as TOML or JSON text."""
    if format == "json":
        return json.dumps(document, indent=2) + "\n"
    import tomli_w

    return tomli_w.dumps(document)


def write_document(document: Mapping[str, Any], path: Path, format: str) -> None:
    """Write plain tables to a file as TOML or JSON; raise DescriptionError if it cannot be written."""
    text = document_text(document, format)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be written ({error.strerror}). Choose another file.") from None


def read_document(path: Path) -> dict[str, Any]:
    """Return the parsed content of a .toml or .json file."""
    kind = _format(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if kind == "toml" else json.loads(text)
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except UnicodeDecodeError:
        raise DescriptionError(f"{path}: is not text. A description is TOML or JSON in UTF-8.") from None
    except RecursionError:
        raise DescriptionError(f"{path}: is nested too deeply to be a description.") from None
    except ValueError as error:
        raise DescriptionError(f"{path.name}: is not valid {kind.upper()}: {error}.") from None
    if not isinstance(content, dict):
        raise DescriptionError(f"{path.name}: must be a table of name, input and layers, not a {type(content).__name__}.")
    return content


def _format(path: Path) -> str:
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("toml", "json"):
        raise DescriptionError(f"{path}: a description's file name ends in .toml or .json.")
    return kind


def to_dict(model: Model) -> dict[str, Any]:
    """Return `model` as plain tables, lists, strings and numbers."""
    single = len(model.inputs) == 1 and model.inputs[0][0] == "input"
    document: dict[str, Any] = {"name": model.name}
    document |= {"input": list(model.input_shape)} if single else {"inputs": {key: list(shape) for key, shape in model.inputs}}
    last = model.layers[-1].name if model.layers else model.inputs[0][0]
    if model.outputs != ((None, last),):
        keyed = all(key is not None for key, _ in model.outputs)
        document["outputs"] = dict(model.outputs) if keyed else [value for _, value in model.outputs]
    previous = (model.inputs[0][0],) if single else ()
    document["layers"] = []
    for layer in model.layers:
        document["layers"].append(_layer_to_dict(layer, previous))
        previous = (layer.name,)
    return document


def _layer_to_dict(layer: Layer, previous: tuple[str, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {"op": type(layer.op).__name__, "name": layer.name}
    if layer.inputs != previous:
        table["inputs"] = list(layer.inputs)
    return table | {key: _lists(value) for key, value in layer.op.written().items()}


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def from_dict(document: Mapping[str, Any], *, where: str = "description", name: str = "model") -> Model:
    """Return the model that plain tables describe; `where` begins every error."""
    if unknown := sorted(set(document) - TOP):
        raise DescriptionError(f"{where}: unknown key {unknown[0]!r}.{closest(unknown[0], TOP)}")
    name = _string(document.get("name", name), where, "name")
    inputs = _inputs(document, where)
    layers = document.get("layers")
    if not isinstance(layers, list) or not layers:
        raise DescriptionError(f"{where}: layers must be a non-empty list of tables, each with an op.")
    aliases: dict[str, str] = {}
    names = Names(table.get("name") for table in layers if isinstance(table, Mapping) and isinstance(table.get("name"), str))
    groups: list[list[Layer]] = []
    previous = inputs[0][0] if len(inputs) == 1 else None
    for index, table in enumerate(layers):
        made = _read_layer(table, f"{where}: layers[{index}]", previous, names)
        groups.append(made)
        # A layer with an activation stands for two; whoever names it as an input means the second.
        aliases[made[0].name] = previous = made[-1].name
    resolved: list[Layer] = []
    for first, *rest in groups:
        resolved += [Layer(first.name, first.op, tuple(aliases.get(source, source) for source in first.inputs)), *rest]
    outputs = _outputs(document, where, aliases)
    try:
        return Model.of(inputs, resolved, outputs, name=name)
    except DescriptionError as error:
        raise DescriptionError(f"{where}: {error}") from None


def _inputs(document: Mapping[str, Any], where: str) -> list[tuple[str, Any]]:
    if ("input" in document) == ("inputs" in document):
        raise DescriptionError(f"{where}: needs either input = [channels, height, width] or a table inputs with a shape for each name.")
    named = {"input": document["input"]} if "input" in document else document["inputs"]
    if not isinstance(named, Mapping) or not named:
        raise DescriptionError(f"{where}: inputs must be a table such as {{left = [3, 32, 32], right = [3, 32, 32]}}.")
    for key, shape in named.items():
        if not is_sequence(shape) or not shape or not all(type(size) is int and size > 0 for size in shape):
            key = key if "inputs" in document else ""
            raise DescriptionError(
                f"{where}: {'inputs.' + key if key else 'input'} must be a list of sizes of at least 1 without the batch axis, "
                f"such as [1, 28, 28], not {shape!r}."
            )
    return [(key, tuple(shape)) for key, shape in named.items()]


def _outputs(document: Mapping[str, Any], where: str, aliases: Mapping[str, str]) -> list[tuple[str | None, str]] | None:
    if "output" in document and "outputs" in document:
        raise DescriptionError(f"{where}: give output or outputs, not both.")
    given = document.get("outputs", document.get("output"))
    if given is None:
        return None
    pairs = list(given.items()) if isinstance(given, Mapping) else [(None, value) for value in (given if is_sequence(given) else [given])]
    if not pairs or not all(isinstance(value, str) for _, value in pairs):
        raise DescriptionError(f"{where}: outputs must be a list of layer names, or a table of them, not {given!r}.")
    return [(key, aliases.get(value, value)) for key, value in pairs]


def _read_layer(table: Any, where: str, previous: str | None, names: Names) -> list[Layer]:
    """Return the layers that one table stands for."""
    if not isinstance(table, Mapping) or "op" not in table:
        raise DescriptionError(f'{where}: must be a table with an op, such as {{op = "ReLU"}}, not {table!r}.')
    op_name = _string(table["op"], where, "op")
    try:
        cls = lookup(op_name)
    except DescriptionError as error:
        raise DescriptionError(f"{where}.op: {error}") from None
    fields = {key: value for key, value in table.items() if key not in ("op", "name", "inputs")}
    known = set(cls.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown := sorted(set(fields) - known):
        raise DescriptionError(
            f"{where}.{unknown[0]}: {cls.__name__} has no such field.{closest(unknown[0], known | {'name', 'inputs', 'op'})}"
        )
    label = _string(table["name"], where, "name") if "name" in table else None
    inputs = table.get("inputs", [previous] if previous else None)
    if not is_sequence(inputs) or not inputs or not all(isinstance(item, str) for item in inputs):
        raise DescriptionError(f"{where}.inputs: must be a list of the names of the values it takes, not {inputs!r}.")
    try:
        op = cls(**fields)
    except DescriptionError as error:
        raise DescriptionError(f"{where}: {error}") from None
    except TypeError:
        missing = [key for key in cls.__match_args__ if key not in fields and key in cls.required()]  # type: ignore[attr-defined]
        raise DescriptionError(f"{where}: {cls.__name__} needs {' and '.join(missing)}.") from None
    return expand(label, op, tuple(inputs), names)


def _string(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise DescriptionError(f"{where}: {key} must be a non-empty string, not {value!r}.")
    return value


def save_weights(weights: Mapping[str, np.ndarray[Any, Any]], path: str | Path) -> None:
    """Write weights, {"conv1.weight": array, …} in canonical layout, as safetensors."""
    import numpy as np
    from safetensors.numpy import save as serialise

    content = serialise({key: np.ascontiguousarray(value) for key, value in weights.items()})
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: the weights cannot be written ({error.strerror}).") from None


def load_weights(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights of a safetensors file, or raise InputError if it is not one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    try:
        return dict(deserialise(Path(path).read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: the weights cannot be read ({error.strerror}). Check the path.") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: is not a complete safetensors file ({error}). Weights are kept in that format only.") from None
