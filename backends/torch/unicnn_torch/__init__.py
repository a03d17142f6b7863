"""PyTorch as a backend of unicnn. This descriptor imports nothing heavy."""

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo


@hookimpl
def unicnn_backend() -> BackendInfo:
    """Describe the backend."""
    return BackendInfo(
        name="torch",
        title="PyTorch",
        package="unicnn_torch",
        framework="torch",
        distributions=("torch",),
        install="pip install torch",
        devices=cuda_or_cpu("torch"),
    )


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect."""
    return DialectInfo(
        name="torch",
        title="PyTorch",
        package="unicnn_torch",
        framework="torch",
        install="pip install torch",
        backend="torch",
        objects=("torch",),
        styles=("class", "sequential"),
        inexact={"hardsigmoid": "PyTorch's gradient of Hardsigmoid holds 1/6 as float32"},
    )
