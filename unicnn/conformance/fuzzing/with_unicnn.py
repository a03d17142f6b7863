"""Scripts that use unicnn: for faults of its own arithmetic, and for those that plain code of the framework does not show."""

from __future__ import annotations

from collections.abc import Sequence

from unicnn.conformance.fuzzing.generating import Drawn
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.ops.loss import Loss

SPOT = '''
"""{fault}.

Runs one layer, that of model.toml, on the numbers in tensors.safetensors with unicnn. Exits with 1 if {backend} is wrong, with 0 if not.
"""

import sys
from pathlib import Path

import unicnn as un
from unicnn.conformance.fuzzing import judging
from unicnn.conformance.fuzzing.spot import Spot

DATA = un.load_weights(Path(__file__).with_name("tensors.safetensors"))
BACKENDS = {backends!r}
SUSPECT = "{backend}"

spot = Spot(
    un.{op!r},
    inputs=({inputs}),
    weights={{{weights}}},
    cotangent=DATA["{cotangent}"],
    training={training},
)
faults = {judge}
for fault in faults:
    print(fault)
wrong = any(fault.backend == SUSPECT for fault in faults)
print(f"{{SUSPECT}} is {{'wrong' if wrong else 'right'}}")
sys.exit(int(wrong))
'''

NETWORK = '''
"""{fault}.

Runs the network of model.toml on the numbers in tensors.safetensors with unicnn. Exits with 1 if {backend} is wrong, with 0 if not.
"""

import sys
from pathlib import Path

import unicnn as un
from unicnn.conformance.fuzzing.generating import Drawn
from unicnn.conformance.fuzzing.running import run

HERE = Path(__file__).parent
DATA = un.load_weights(HERE / "tensors.safetensors")
BACKENDS = {backends!r}
SUSPECT = "{backend}"

weights = {{name: array for name, array in DATA.items() if name not in ("input", "labels")}}
network = Drawn(
    un.load(HERE / "model.toml"), weights, DATA["input"], DATA["labels"], un.{loss!r}, training={training}, compiled={compiled}
)
faults = [suspect.fault for suspect in run(network, BACKENDS).suspects]
for fault in faults:
    print(fault)
wrong = any(fault.backend == SUSPECT for fault in faults)
print(f"{{SUSPECT}} is {{'wrong' if wrong else 'right'}}")
sys.exit(int(wrong))
'''


def of_spot(fault: Fault, spot: Spot, backends: Sequence[str]) -> str:
    """Return the script for a fault that one layer shows."""
    judge = "judging.native(spot, SUSPECT)" if fault.level == "native" else "judging.identical(spot, BACKENDS)"
    return SPOT.lstrip().format(
        fault=fault,
        backend=fault.backend,
        backends=tuple(backends),
        op=spot.op,
        inputs="".join(f'DATA["{name}"], ' for name in spot.names).rstrip(" "),
        weights=", ".join(f'"{key}": DATA["{key}"]' for key in spot.weights),
        cotangent="target" if isinstance(spot.op, Loss) else "cotangent",
        training=spot.training,
        judge=judge,
    )


def of_network(fault: Fault, drawn: Drawn, backends: Sequence[str]) -> str:
    """Return the script for a fault that only a network shows."""
    return NETWORK.lstrip().format(
        fault=fault,
        backend=fault.backend,
        backends=tuple(backends),
        loss=drawn.loss,
        training=drawn.training,
        compiled=drawn.compiled,
    )
