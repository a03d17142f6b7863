"""JAX as a backend of unicnn, and Flax NNX as a dialect. This descriptor imports nothing heavy."""

from importlib.metadata import entry_points

from unicnn.backend import BackendInfo
from unicnn.devices import cuda_or_cpu
from unicnn.hookspecs import hookimpl
from unicnn.porting.dialect import DialectInfo


def devices() -> tuple[str, ...]:
    """Return "cpu", and "cuda" if there is a GPU and JAX has its plugin for it, which is a distribution of its own."""
    has_plugin = any(point.name.startswith("xla_cuda") for point in entry_points(group="jax_plugins"))
    return cuda_or_cpu("jax")() if has_plugin else ("cpu",)


@hookimpl
def unicnn_backend() -> BackendInfo:
    """Describe the backend."""
    return BackendInfo(
        name="jax",
        title="JAX",
        package="unicnn_jax",
        framework="jax",
        distributions=("jax",),
        install="pip install jax",
        devices=devices,
    )


@hookimpl
def unicnn_dialect() -> DialectInfo:
    """Describe the dialect: Flax NNX, with optax where a network is trained."""
    return DialectInfo(
        name="jax",
        title="JAX",
        package="unicnn_jax",
        framework="jax",
        install="pip install jax flax optax",
        backend="jax",
        objects=("flax",),
        styles=("class",),
        channels_last=True,
    )
