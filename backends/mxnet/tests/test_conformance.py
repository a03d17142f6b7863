"""MXNet conforms."""

from unicnn.conformance import BackendConformance


class TestMXNet(BackendConformance):
    backend = "mxnet"
