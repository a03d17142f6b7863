from unicnn.conformance import BackendConformance


class TestJax(BackendConformance):
    backend = "jax"
