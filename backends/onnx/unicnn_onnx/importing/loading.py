"""Reading a file: it is parsed, and nothing in it is run."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from unicnn.errors import PortError
from unicnn_onnx.importing.preparing import NAMELESS

OLDEST = 13
"""The first opset that is read: since it, Softmax acts along one axis, and axes of Squeeze and Unsqueeze are inputs."""


def loaded(path: Path) -> onnx.ModelProto:
    """Return the model in a file, with the data of the files beside it that it names."""
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise PortError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except DecodeError:
        raise PortError(
            f"{path}: is no ONNX model: it cannot be parsed, so it is damaged, incomplete or something else. Compare its size with the "
            "original's, or export it again."
        ) from None
    if not model.graph.node or not model.opset_import:
        raise PortError(
            f"{path}: is no ONNX model: it has no nodes or names no opset. Compare its size with the original's, or export it again."
        )
    _load_beside(model, path)
    check_opset(model, str(path))
    if model.graph.name in NAMELESS:
        model.graph.name = path.stem
    return model


def _load_beside(model: onnx.ModelProto, path: Path) -> None:
    names = sorted(
        {
            entry.value
            for tensor in model.graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise PortError(
            f"{path}: keeps its weights in {', '.join(missing)}, and no such file lies in {path.parent}. Copy it there, under that name."
        )
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        detail = " ".join(str(error).split())[:200]
        raise PortError(
            f"{path}: its weights in {', '.join(names)} cannot be read ({detail}). Compare that file's size with the original's, or export "
            "the model again."
        ) from None


def opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators."""
    return max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0)


def check_opset(model: onnx.ModelProto, name: str) -> None:
    """Raise PortError for operators whose meaning has changed since."""
    version = opset(model)
    if version < OLDEST:
        raise PortError(
            f"{name}: uses opset {version}, and only opset {OLDEST} and later can be read, because Softmax, Squeeze and others meant something "
            f"else before. Upgrade it: onnx.save(onnx.version_converter.convert_version(onnx.load(path), {OLDEST}), path)."
        )
