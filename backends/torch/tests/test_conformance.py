"""PyTorch conforms."""

from unicnn.conformance import BackendConformance


class TestPyTorch(BackendConformance):
    backend = "torch"
