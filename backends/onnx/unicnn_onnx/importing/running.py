"""Running the original model again, for a proof."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from unicnn.errors import BackendError, UnsupportedError
from unicnn.porting.tape import Array, Ran, Runner, Tape
from unicnn_onnx.importing.doubles import DOUBLES
from unicnn_onnx.importing.numbers import array_of, meant
from unicnn_onnx.importing.preparing import Prepared

_KINDS = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}
_FLOATS = tuple(_KINDS.values())


class OnnxRunner(Runner):
    """Run a graph by ONNX Runtime in float32, and by the reference implementation of the ONNX project in float64.

    ONNX Runtime has no kernels for convolution in double precision; the reference implementation is the ONNX project's own
    definition of every operator, in NumPy. Neither computes gradients.
    """

    def __init__(self, graph: Prepared, tape: Tape) -> None:
        self.graph, self.tape = graph, tape

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the graph in inference; there are no gradients."""
        given = {name: np.asarray(array, dtype) for (name, _, _), array in zip(self.graph.inputs, inputs, strict=True)}
        made = dict.fromkeys(name for _, node in self.graph.nodes for name in node.output if name)
        wanted = [*dict.fromkeys([call.name for call in self.tape.calls if call.name in made] + list(self.graph.outputs))]
        model = self._model(wanted, dtype, given)
        arrays = _runtime(model, wanted, given) if dtype == "float32" else _reference(model, wanted, given)
        values = dict(zip(wanted, arrays, strict=True))
        return Ran({call.name: values[call.name] for call in self.tape.calls if call.name in values}, self._outputs(values), {})

    def _outputs(self, values: Mapping[str, Array]) -> list[Array]:
        return [values[name] for name in self.graph.outputs]

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Refuse: a graph has no loss and no optimiser."""
        raise UnsupportedError(
            f"{self.graph.name} is an ONNX graph, which ONNX Runtime cannot train: it has no loss and no optimiser. Compare its inference, "
            "and train the port in its own framework."
        )

    def _model(self, wanted: Sequence[str], dtype: str, given: Mapping[str, Array]) -> onnx.ModelProto:
        """Return the model with other numbers and more outputs, for as many samples as are given; the user's is left as it is."""
        source = self.graph.model
        weights = self.tape.constants
        nodes = [_retyped(node, dtype, weights) for _, node in self.graph.nodes]
        graph = helper.make_graph(
            nodes,
            self.graph.name,
            [helper.make_tensor_value_info(name, _KINDS[dtype], list(array.shape)) for name, array in given.items()],
            [helper.make_empty_tensor_value_info(name) for name in wanted],
            [_converted(tensor, dtype, name in weights) for name, tensor in self.graph.tensors.items()],
        )
        return helper.make_model(graph, opset_imports=list(source.opset_import), ir_version=source.ir_version)


def _converted(tensor: onnx.TensorProto, dtype: str, weight: bool) -> onnx.TensorProto:
    """Return a tensor of floats as `dtype`; a number that is no weight becomes the double that was meant."""
    if tensor.data_type not in _FLOATS or tensor.data_type == _KINDS[dtype]:
        return tensor
    array = array_of(tensor).astype(dtype)
    if array.size == 1 and dtype == "float64" and not weight:
        array = np.array(meant(float(array.reshape(()))), dtype).reshape(array.shape)
    return numpy_helper.from_array(array, tensor.name)


def _retyped(node: onnx.NodeProto, dtype: str, weights: Container[str]) -> onnx.NodeProto:
    """Return a node whose constants and casts have the type `dtype` where they have a type of floats."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    for attribute in copy.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attribute.t.CopyFrom(_converted(attribute.t, dtype, node.output[0] in weights))
        elif attribute.name == "to" and attribute.i in _FLOATS:
            attribute.i = _KINDS[dtype]
        elif copy.op_type == "Constant" and attribute.name.startswith("value_float"):
            array = np.array(helper.get_attribute_value(attribute), np.float32)
            attribute.CopyFrom(helper.make_attribute("value", _converted(numpy_helper.from_array(array), dtype, node.output[0] in weights)))
    return copy


def _runtime(model: onnx.ModelProto, wanted: Sequence[str], given: Mapping[str, Array]) -> list[Array]:
    try:
        import onnxruntime
    except ImportError:
        raise BackendError("ONNX Runtime, which runs graphs, is not installed. Install it with: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = min(4, os.cpu_count() or 1)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(list(wanted), dict(given))]


def _reference(model: onnx.ModelProto, wanted: Sequence[str], given: Mapping[str, Array]) -> list[Array]:
    for item in model.opset_import:
        # Its BatchNormalization of opset 13 normalises by the batch; what else changed in 14 are types and optional settings.
        item.version = max(item.version, 14) if item.domain in ("", "ai.onnx") else item.version
    evaluator = ReferenceEvaluator(model, new_ops=DOUBLES)
    for node in evaluator.rt_nodes_:
        for name, value in vars(node).items():
            if isinstance(value, (float, np.floating)):  # an attribute, or its default
                setattr(node, name, meant(float(value)))
    return [np.asarray(array) for array in evaluator.run(list(wanted), dict(given))]
