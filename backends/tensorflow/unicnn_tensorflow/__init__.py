"""TensorFlow as a backend of unicnn. This descriptor imports nothing heavy."""

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo


@hookimpl
def unicnn_backend() -> BackendInfo:
    """Describe the backend."""
    return BackendInfo(
        name="tensorflow",
        title="TensorFlow",
        package="unicnn_tensorflow",
        framework="tensorflow",
        distributions=("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tf-nightly", "tf-nightly-cpu"),
        install="pip install tensorflow",
        devices=cuda_or_cpu("tensorflow"),
    )


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect."""
    return DialectInfo(
        name="keras",
        title="Keras",
        package="unicnn_tensorflow",
        framework="tensorflow",
        install="pip install tensorflow-cpu",
        backend="tensorflow",
        objects=("keras", "tensorflow"),
        suffixes=(".keras",),
        styles=("functional", "sequential"),
        channels_last=True,
        inexact={
            "leaky_relu": "TensorFlow holds the slope of a leaky ReLU as float32",
            "gelu": "TensorFlow holds the constants of GELU as float32",
        },
    )
