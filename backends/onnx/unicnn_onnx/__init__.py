"""ONNX as a dialect of unicnn: graphs are read and written. This descriptor imports nothing heavy."""

from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect."""
    return DialectInfo(
        name="onnx",
        title="ONNX",
        package="unicnn_onnx",
        framework="onnx",
        install="pip install onnx onnxruntime",
        objects=("onnx",),
        suffixes=(".onnx",),
        styles=("graph",),
    )
