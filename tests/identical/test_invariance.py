"""What must not change a bit: the rest of the batch, the order of channels, threads, the process, compilation, the device's fallback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.lowering import Purpose
from unicnn.ops import CrossEntropy

from .same import differing, same

BRANCHED = un.Input(6, 11, 10)
_left = un.Conv2d(8, 3, padding=1, groups=2)(BRANCHED, name="left")
_right = un.ReLU()(un.Conv2d(8, 5, padding="same", stride=1)(BRANCHED, name="right"))
_sum = un.Add()(_left, _right)
NETWORK = un.Model(
    BRANCHED,
    un.Linear(7)(un.Flatten()(un.AvgPool2d(3, stride=2, padding=1)(un.GELU()(un.BatchNorm2d()(_sum))))),
    name="branched",
)


def draw(*shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * np.ldexp(1.0, rng.integers(-12, 4, shape))).astype(np.float32)


def test_a_sample_alone_is_the_sample_in_a_batch_of_37(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    x = draw(37, 6, 11, 10)
    x[3] *= np.float32(2.0**20)  # a loud neighbour
    together = program.outputs(x)
    for place in (0, 3, 36):
        alone = program.outputs(x[place : place + 1])
        assert differing(alone, {name: value[place : place + 1] for name, value in together.items()}) == []
    assert np.ptp(together["linear1"]) > 0


def test_permuting_input_channels_together_with_the_weights_changes_nothing(backend: str) -> None:
    model = un.Sequential([un.Conv2d(5, 3), un.Flatten(), un.Linear(4)], input=(48, 9, 9))
    weights = un.initial_weights(model, seed=1)
    order = np.random.default_rng(0).permutation(48)
    x, labels = draw(4, 48, 9, 9), np.array([0, 3, 2, 1])
    turned = {**weights, "conv1.weight": np.ascontiguousarray(weights["conv1.weight"][:, order])}
    first, second = (un.lower(model, backend, numerics="identical", weights=held) for held in (weights, turned))
    assert same(first(x), second(np.ascontiguousarray(x[:, order])))
    assert not same(first(x), second(x))
    gradients = first.gradients(x, labels)[1], second.gradients(np.ascontiguousarray(x[:, order]), labels)[1]
    assert same(gradients[0]["conv1.weight"][:, order], gradients[1]["conv1.weight"])
    assert same(gradients[0]["input"][:, order], gradients[1]["input"])


def test_scaling_the_input_by_a_power_of_two_scales_the_output(backend: str) -> None:
    model = un.Sequential([un.Conv2d(5, 3, bias=False)], input=(4, 9, 9))
    program = un.lower(model, backend, numerics="identical")
    x = draw(2, 4, 9, 9)
    for scale in (2.0**-30, 2.0**17, -1.0):
        assert same(program(x * np.float32(scale)), program(x) * np.float32(scale))


def test_compiled_and_step_by_step_give_the_same_bytes(backend: str) -> None:
    compiled = un.lower(NETWORK, backend, numerics="identical")
    stepwise = un.lower(NETWORK, backend, numerics="identical")
    stepwise.runtime.compile = lambda plan: plan  # type: ignore[method-assign, assignment]
    x, labels = draw(5, 6, 11, 10), np.arange(5)
    with np.errstate(all="ignore"):
        assert same(compiled(x), stepwise(x))
        one, other = compiled.gradients(x, labels, mode="training"), stepwise.gradients(x, labels, mode="training")
    assert one[0] == other[0]
    assert differing(other[1], one[1]) == []


def test_running_twice_gives_the_same_bytes_and_leaves_the_first_result_alone(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    x, labels = draw(5, 6, 11, 10), np.arange(5)
    first, kept = program(x), program(x).copy()
    gradients = program.gradients(x, labels)[1]
    assert differing(program.gradients(x, labels)[1], gradients) == []
    assert same(first, kept)


def test_training_passes_move_the_statistics_alike_and_inference_uses_them(backend: str) -> None:
    programs = [un.lower(NETWORK, name, numerics="identical") for name in ("numpy", backend)]
    x = draw(5, 6, 11, 10)
    before = programs[1](x)
    for step in range(2):
        outputs = [program(x * np.float32(1 + step), mode="training") for program in programs]
        assert same(*outputs)
    assert differing(programs[1].weights(), programs[0].weights()) == []
    assert same(*(program(x) for program in programs))
    assert not same(programs[1](x), before)


def test_tensors_in_and_out_are_the_same_bytes_as_arrays(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    x = draw(3, 6, 11, 10)
    assert same(program.runtime.array(program(program.runtime.tensor(x))), program(x))


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fresh_process_with_this_many_threads_gives_the_fingerprint(threads: int, backend: str, fingerprint_of_lenet: str) -> None:
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    command = [sys.executable, "-m", "unicnn.cli", "fingerprint", "lenet", "--gradients", "--batch", "5", "--backend", backend]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[0] == fingerprint_of_lenet


@pytest.fixture(scope="module")
def fingerprint_of_lenet() -> str:
    from unicnn.fingerprint import fingerprint

    x, labels = un.fashion_mnist("test", source="embedded").take(5).as_float()
    return fingerprint(un.zoo.lenet(), x, labels, plugins.usable()[0]).sha256


def test_subnormals_and_minus_zero_count_as_zero(backend: str) -> None:
    model = un.Sequential([un.Conv2d(3, 1, bias=False), un.ReLU()], input=(2, 3, 3))
    program = un.lower(model, backend, numerics="identical")
    x = draw(1, 2, 3, 3)
    x[0, :, 0] = 0
    small = x.copy()
    small[0, :, 0] = [[1e-40, -1e-42, -0.0], [-1e-39, 1e-45, -0.0]]
    assert differing(program.outputs(small), program.outputs(x)) == []
    tiny = np.full((1, 2, 3, 3), 2.0**-126, np.float32)  # the smallest that counts; most products of it do not
    weights = {"conv1.weight": np.array([[1, 0], [0.5, 0], [1, 1]], np.float32).reshape(3, 2, 1, 1)}
    program.load(weights)
    assert program(tiny)[0, :, 0, 0].tolist() == [2.0**-126, 0.0, 2.0**-125]


@pytest.mark.parametrize("purpose", [Purpose(), Purpose(loss=CrossEntropy(), gradients=True)], ids=["forward", "backward"])
def test_no_layer_is_left_to_the_framework_alone(purpose: Purpose, backend: str) -> None:
    """Every step but those that only move values is one of the core's functions."""
    program = un.lower(NETWORK, backend, numerics="identical")
    steps = program.lowered(purpose).plan.steps
    own = {step.op for step in steps if getattr(step.function, "__module__", None) == f"unicnn_{backend}.{step.op}"}
    moved = {step.op for step in steps if "unicnn_" in str(getattr(step.function, "__module__", ""))}
    assert own == set()
    assert moved <= {"relu", "flatten", "enter", "leave", "max_pool2d", "reshape", "transpose", "pad", "concat", "relu6"}
