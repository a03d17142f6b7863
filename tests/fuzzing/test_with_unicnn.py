"""The scripts that use unicnn: of a layer and of a network, with a fault and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unicnn.conformance.fuzzing import reproducing, with_unicnn
from unicnn.conformance.fuzzing.generating import Drawn
from unicnn.conformance.fuzzing.spot import Fault
from unicnn.graph import infer
from unicnn.initializers import initial_weights
from unicnn.model import Sequential
from unicnn.ops import Conv2d, CrossEntropy, Flatten

from .spots import SPOTS


def last_line(where: Path) -> str:
    run = subprocess.run([sys.executable, where / "reproduce.py"], capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode in (0, 1), run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return f"{run.returncode} {run.stdout.splitlines()[-1]}"


@pytest.mark.parametrize("level", ["native", "identical"])
@pytest.mark.parametrize("name", ["conv2d", "mul", "batch_norm2d-training", "cross_entropy"])
def test_the_script_of_a_right_layer_says_so(name: str, level: str, tmp_path: Path) -> None:
    spot = SPOTS[name]
    fault = Fault("numpy", level, type(spot.op).__name__, "output")
    text = with_unicnn.of_spot(fault, spot, ("numpy", "torch"))
    where = reproducing._write(tmp_path, fault, spot.model, spot.arrays(), text, "Nothing is wrong.")
    assert last_line(where) == "0 numpy is right"


def network(scale: float) -> Drawn:
    model = Sequential([Conv2d(3, 2), Flatten()], input=(1, 4, 4), name="small")
    weights = {name: array * array.dtype.type(scale) for name, array in initial_weights(infer(model), 0).items()}
    images, labels = (SPOTS["conv2d"].inputs[0][:, :1, :4, :4].copy(), SPOTS["cross_entropy"].cotangent)
    return Drawn(model, weights, images, labels, CrossEntropy(), training=False, compiled=False)


def test_the_script_of_a_right_network_says_so(tmp_path: Path) -> None:
    written = reproducing.write_network(
        tmp_path, Fault("numpy", "identical", "network", "bytes of output"), network(1.0), ("numpy", "torch")
    )
    assert not written.stands_alone
    assert last_line(written.where) == "0 numpy is right"


def test_the_script_of_a_wrong_network_says_so(tmp_path: Path) -> None:
    drawn = network(1.0)
    drawn.weights["conv1.weight"] = drawn.weights["conv1.weight"][:, :, :1]  # every backend raises InputError
    written = reproducing.write_network(tmp_path, Fault("numpy", "native", "network", "InputError"), drawn, ("numpy",))
    assert last_line(written.where) == "1 numpy is wrong"
