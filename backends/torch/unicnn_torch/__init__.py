"""PyTorch as a backend of unicnn. This descriptor imports nothing heavy."""

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl


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
