"""NumPy as a backend of unicnn, and CuPy as its twin on a GPU. This descriptor imports nothing heavy."""

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo


@hookimpl
def unicnn_backend() -> BackendInfo:
    """Describe the backend."""
    return BackendInfo(
        name="numpy",
        title="NumPy",
        package="unicnn_numpy",
        framework="numpy",
        distributions=("numpy",),
        install="pip install numpy scipy",
        devices=cuda_or_cpu("cupy"),
    )


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect."""
    return DialectInfo(
        name="numpy",
        title="NumPy",
        package="unicnn_numpy",
        framework="numpy",
        install="pip install numpy",
        backend="numpy",
        styles=("class",),
    )
