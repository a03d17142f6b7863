"""Walking along a graph: the shape of every value, and what can be computed without the input, such as the arithmetic of shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from unicnn.errors import PortError
from unicnn.porting.tape import Where
from unicnn_onnx.importing.nodes import attributes
from unicnn_onnx.importing.numbers import array_of
from unicnn_onnx.importing.paddings import pooled_size
from unicnn_onnx.importing.preparing import Prepared

Array = np.ndarray[Any, Any]
_SMALL = 4096
"""How many elements a constant may have that is computed at once; larger ones are computed when they are read."""
_WORDS = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"}
"""What only moves the elements of a weight stays a call, so that the weight keeps its name."""


class Walk:
    """Hold what is known of the values met so far."""

    def __init__(self, graph: Prepared) -> None:
        self.graph = graph
        self.opsets = list(graph.model.opset_import)
        self.versions = {item.domain: item.version for item in self.opsets}
        self.types: dict[str, onnx.TypeProto] = {}
        self.fixed: dict[str, Callable[[], Array]] = {}
        """The arrays that do not depend on an input."""
        self.written: set[str] = set()
        """Those of them that no weight has part in."""
        for name, tensor in graph.tensors.items():
            self.types[name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
            self.fixed[name] = _reader(tensor)
        for name, shape, kind in graph.inputs:
            self.types[name] = helper.make_tensor_type_proto(kind, list(shape))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value."""
        return tuple(dim.dim_value for dim in self.types[name].tensor_type.shape.dim)

    def floating(self, name: str) -> bool:
        """Tell whether a value is one that a network computes with."""
        kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
        return bool(self.types[name].tensor_type.elem_type in kinds)

    def size(self, name: str) -> int:
        """Return how many numbers a value has."""
        return int(np.prod(self.shape(name), dtype=np.int64))

    def visit(self, place: int, node: onnx.NodeProto) -> bool:
        """Note the types of what a node gives, and tell whether it depends on an input or moves a weight."""
        if node.op_type == "Constant" and node.domain == "":
            self._fix(node.output[0], _constant(node))
            self.written.update(node.output)
            return False
        if node.op_type in ("Shape", "Size") and node.domain == "":
            self._fix(node.output[0], self._measured(node))
            return False
        self._infer(place, node)
        inputs = [name for name in node.input if name]
        if any(name not in self.fixed for name in inputs):
            return True
        if node.op_type in _WORDS and self.floating(node.output[0]) and self.size(node.output[0]) > 1:
            return True
        self._fold(node, inputs)
        if self.written.issuperset(inputs):
            self.written.update(node.output)
        return False

    def _fix(self, name: str, array: Array) -> None:
        self.fixed[name] = lambda: array
        self.types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape))

    def _measured(self, node: onnx.NodeProto) -> Array:
        shape, limits = self.shape(node.input[0]), {item.name: item.i for item in node.attribute}
        if node.op_type == "Size":
            return np.array(np.prod(shape, dtype=np.int64))
        return np.array(shape[limits.get("start", 0) : limits.get("end")], np.int64)

    def _fold(self, node: onnx.NodeProto, inputs: Sequence[str]) -> None:
        def read() -> list[Array]:
            return self._evaluated(node, inputs)

        if all(self.size(name) <= _SMALL for name in node.output if name):
            for name, array in zip(node.output, read(), strict=False):
                self._fix(name, np.asarray(array))
            return
        for place, name in enumerate(node.output):
            self.fixed[name] = lambda place=place: np.asarray(read()[place])  # type: ignore[misc]

    def _evaluated(self, node: onnx.NodeProto, inputs: Sequence[str]) -> list[Array]:
        """Return what a node gives, computed by the reference implementation of the ONNX project."""
        graph = helper.make_graph(
            [node],
            "constants",
            [helper.make_value_info(name, self.types[name]) for name in dict.fromkeys(inputs)],
            [helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        model = helper.make_model(graph, opset_imports=self.opsets)
        return list(ReferenceEvaluator(model).run(None, {name: self.fixed[name]() for name in inputs}))

    def _infer(self, place: int, node: onnx.NodeProto) -> None:
        """Note the types of what a node gives, as the definition of its operator says."""
        found: dict[str, onnx.TypeProto] = {}
        if missing := [name for name in node.input if name and name not in self.types]:
            raise self.refusal(place, node, f"takes {missing[0]}, which nothing gives: the graph is damaged.", "Export it again.")
        try:
            schema = onnx.defs.get_schema(node.op_type, self.versions.get(node.domain, 1), node.domain)
            data = {
                name: numpy_helper.from_array(np.ascontiguousarray(self.fixed[name]()), name)
                for name in node.input
                if name in self.fixed and self.size(name) <= _SMALL
            }
            types = {name: self.types[name] for name in node.input if name}
            found = onnx.shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=self.opsets)
        except onnx.defs.SchemaError:
            raise self.refusal(
                place, node, "is no operator of the ONNX standard.", "Export the network without custom operators."
            ) from None
        except onnx.shape_inference.InferenceError as error:
            detail = " ".join(str(error).split())[:300]
            raise ValueError(f"{self.where(place, node)} does not fit its inputs: {detail}") from None
        self._check(place, node, found)
        self.types |= found
        if node.op_type in ("MaxPool", "AveragePool") and len(self.shape(node.input[0])) == 4:
            self._correct(node)

    def _check(self, place: int, node: onnx.NodeProto, found: Mapping[str, onnx.TypeProto]) -> None:
        """Raise PortError if a size is not known from the input's."""
        for name in node.output:
            if name and not (name in found and _concrete(found[name])) and not _optional(node, name):
                raise self.refusal(
                    place,
                    node,
                    f"gives {name}, whose shape depends on more than the shape of the input.",
                    "Only static networks can be ported.",
                )

    def _correct(self, node: onnx.NodeProto) -> None:
        """Note the size of what a pool gives: before opset 22, inference counted windows that lie in the padding, as no one computes."""
        name, (batch, channels, *_) = node.output[0], self.shape(node.input[0])
        size = pooled_size(self.shape(node.input[0]), attributes(node))
        self.types[name] = helper.make_tensor_type_proto(self.types[name].tensor_type.elem_type, [batch, channels, *size])

    def where(self, place: int, node: onnx.NodeProto) -> Where:
        """Return where a node stands: its graph, its number and its name."""
        return Where(self.graph.name, place, f"{node.op_type} {node.name}")

    def refusal(self, place: int, node: onnx.NodeProto, why: str, hint: str) -> PortError:
        """Return the error for a node that cannot be ported."""
        return PortError(f"onnx.{node.op_type} at {self.where(place, node)} cannot be ported: it {why} {hint}")


def _reader(tensor: onnx.TensorProto) -> Callable[[], Array]:
    return lambda: array_of(tensor)


def _concrete(kind: onnx.TypeProto) -> bool:
    tensor = kind.tensor_type
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _optional(node: onnx.NodeProto, name: str) -> bool:
    """Tell whether an output is one that few ask for: the mask of Dropout, the places of MaxPool, statistics."""
    return node.op_type in ("Dropout", "MaxPool", "BatchNormalization", "LayerNormalization") and name != node.output[0]


def _constant(node: onnx.NodeProto) -> Array:
    """Return the array of a Constant node, whatever attribute holds it."""
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return array_of(value)
    if attribute.name.startswith("value_float"):
        return np.array(value, np.float32)
    return np.array(value, np.int64 if attribute.name.startswith("value_int") else object)
