"""Print which networks of Gluon's model zoo can be read: python -m tests.porting.zoo_gluon [--prove] [NAME …].

With --prove each network that is read runs beside its original in float64, and the largest relative difference of any value or
gradient is printed with the place where it is.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from unicnn_mxnet.compat import mx

from unicnn.errors import PortError
from unicnn.porting.imported import Imported
from unicnn.porting.reading import from_framework

from .proving import distances, worst

NAMES = (
    *(f"resnet{depth}_v{version}" for version in (1, 2) for depth in (18, 34, 50, 101, 152)),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    "alexnet",
    *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
    *(f"squeezenet{version}" for version in ("1.0", "1.1")),
    "inceptionv3",
    *(f"mobilenet{width}" for width in ("1.0", "0.75", "0.5", "0.25")),
    *(f"mobilenetv2_{width}" for width in ("1.0", "0.75", "0.5", "0.25")),
)


@dataclass(frozen=True)
class Read:
    """Be the result for one network: `imported` is None if it is refused."""

    imported: Imported | None
    reason: str = ""


def size_of(name: str) -> int:
    """Return the size of the images: small for networks that take any."""
    return 299 if name == "inceptionv3" else 32 if name.startswith(("resnet", "vgg", "mobilenet")) else 224


def build(name: str) -> Any:
    """Return a network of the zoo with new weights, none of them trivial."""
    return ready(mx.gluon.model_zoo.vision.get_model(name), 1, 3, *(size_of(name),) * 2)


def ready(net: Any, *shape: int) -> Any:
    """Return a block with values in every array, none of them trivial."""
    net.initialize(mx.init.Xavier())
    with mx.autograd.predict_mode():
        net(mx.nd.zeros(shape))
    stir(net)
    return net


def stir(net: Any, seed: int = 0) -> None:
    """Give the statistics, scales and shifts of batch normalisation values that matter, and biases too."""
    mx.random.seed(seed)
    for name, parameter in net.collect_params().items():
        if name.endswith(("gamma", "running_var")):
            parameter.set_data(mx.nd.random.uniform(0.5, 1.5, parameter.shape))
        elif name.endswith(("beta", "running_mean", "bias")):
            parameter.set_data(mx.nd.random.normal(0, 0.1, parameter.shape))


def read(name: str) -> Read:
    """Read one network with its training."""
    try:
        return Read(from_framework(build(name), (1, 3, *(size_of(name),) * 2), name=name.replace(".", "_")))
    except PortError as error:
        return Read(None, str(error))


def main(arguments: list[str]) -> None:
    """Print the table."""
    counts: Counter[str] = Counter()
    prove = "--prove" in arguments
    for name in [argument for argument in arguments if argument != "--prove"] or NAMES:
        start = time.process_time()
        result = read(name)
        verdict = "refused" if result.imported is None else "ok"
        counts[verdict] += 1
        detail = result.reason[:200]
        if result.imported is not None:
            detail = f"{len(result.imported.model.layers)} layers"
            if prove:
                place, distance = worst(distances(result.imported))
                detail += f", at most {distance:.1e} ({place})"
        print(f"{name:18} {time.process_time() - start:5.1f} s  {verdict:8} {detail}", flush=True)
        del result
        gc.collect()
    print("; ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
