"""TensorFlow as a backend of unicnn. This descriptor imports nothing heavy."""

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl


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
