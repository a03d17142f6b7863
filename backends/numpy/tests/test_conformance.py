"""NumPy conforms."""

from unicnn.conformance import BackendConformance


class TestNumPy(BackendConformance):
    backend = "numpy"
