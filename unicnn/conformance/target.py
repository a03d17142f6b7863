"""Where a case runs: a backend on a device, and the programs made for it so far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.conformance.case import Data, Setting
from unicnn.model import Model
from unicnn.ops.loss import Loss
from unicnn.program import Program, lower

Array: TypeAlias = np.ndarray[Any, Any]
KEPT = 12
"""How many programs are kept: cases of one setting follow each other, and compiling takes longer than running."""


class Target:
    """Be a backend on a device; unless `compiled`, programs run step by step, which is quicker for a single pass."""

    def __init__(self, backend: str, device: str = "cpu", *, compiled: bool = True) -> None:
        self.backend, self.device, self.compiled = backend, device, compiled
        self._programs: OrderedDict[tuple[Model, str], Program] = OrderedDict()

    @property
    def version(self) -> str:
        """Return the version of the framework."""
        info = plugins.info(self.backend)
        return "unknown" if info is None else info.version() or "unknown"

    @property
    def title(self) -> str:
        """Return what the framework calls itself, its version and the device."""
        info = plugins.info(self.backend)
        return f"{self.backend if info is None else info.title} {self.version}, {self.device}"

    def program(self, model: Model, numerics: str, weights: Mapping[str, Array]) -> Program:
        """Return a program of `model` with these weights, compiled before if the model came before."""
        program = self._programs.pop((model, numerics), None)
        if program is None:
            program = lower(model, self.backend, self.device, numerics, weights=weights)
            if not self.compiled:
                program.runtime.compile = program.runtime.once  # type: ignore[method-assign]
        else:
            program.load(weights)
        self._programs[model, numerics] = program
        if len(self._programs) > KEPT:
            self._programs.popitem(last=False)
        return program

    def forward(self, setting: Setting, data: Data, numerics: str) -> dict[str, Array]:
        """Return the output of a setting, and the running statistics after a training pass."""
        program = self.program(setting.model(), numerics, data.weights)
        if isinstance(setting.op, Loss):
            return {"the loss": self._loss(program, setting, data)[0]}
        return {"the output": program(data.x, mode=setting.mode), **self._states(program, setting)}

    def backward(self, setting: Setting, data: Data, numerics: str) -> dict[str, Array]:
        """Return the output as it is computed beside gradients, and every gradient."""
        program = self.program(setting.model(), numerics, data.weights)
        if isinstance(setting.op, Loss):
            return {"the gradient of input": self._loss(program, setting, data)[1]}
        output, gradients = program.vjp(data.x, data.cotangent, mode=setting.mode)
        results = {"the output beside gradients": output, **{f"the gradient of {name}": value for name, value in gradients.items()}}
        return results | {f"{name} beside gradients": value for name, value in self._states(program, setting).items()}

    def _states(self, program: Program, setting: Setting) -> dict[str, Array]:
        """Return the running statistics as they are now, if the mode moves them."""
        (node,) = setting.graph().nodes
        after = program.weights() if setting.training and node.op.states else {}
        return {f"the running {key}": after[f"op.{key}"] for key in node.op.states} if after else {}

    def _loss(self, program: Program, setting: Setting, data: Data) -> tuple[Array, Array]:
        assert isinstance(setting.op, Loss)
        value, gradients = program.gradients(data.x, data.cotangent, setting.op)
        return np.asarray(value, program.numerics.dtype), gradients["input"]
