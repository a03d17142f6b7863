"""MXNet as a backend of unicnn. This descriptor imports nothing heavy."""

import importlib.metadata

from unicnn.backend import BackendInfo, cpu_only
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo

CUDA_BUILDS = ("mxnet-cu112", "mxnet-cu110", "mxnet-cu102", "mxnet-cu101", "mxnet-cu100", "mxnet-cu92")


def devices() -> tuple[str, ...]:
    """List "cuda" only where a build with CUDA is installed: the package called mxnet has none."""
    return cuda_or_cpu("mxnet")() if any(map(_installed, CUDA_BUILDS)) else cpu_only()


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@hookimpl
def unicnn_backend() -> BackendInfo:
    """Describe the backend."""
    return BackendInfo(
        name="mxnet",
        title="MXNet",
        package="unicnn_mxnet",
        framework="mxnet",
        distributions=("mxnet", *CUDA_BUILDS),
        install="pip install mxnet==1.9.1 'numpy<2'",
        python=(3, 11),
        devices=devices,
    )


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect."""
    return DialectInfo(
        name="gluon",
        title="Gluon",
        package="unicnn_mxnet",
        framework="mxnet",
        install='pip install "mxnet==1.9.1" "numpy<2"',
        backend="mxnet",
        objects=("mxnet",),
        suffixes=("-symbol.json",),
        styles=("class", "sequential"),
        inexact={"gelu": "MXNet's gradient of erf holds the root of pi as float32"},
    )
