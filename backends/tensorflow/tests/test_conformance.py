"""TensorFlow conforms."""

from unicnn.conformance import BackendConformance


class TestTensorFlow(BackendConformance):
    backend = "tensorflow"
