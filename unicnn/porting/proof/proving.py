"""Making a proof: a job for the process of the port, the original's own run, and what comes of putting them together."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins, randomness
from unicnn.errors import PortError, UnicnnError, UnsupportedError
from unicnn.files import from_dict, save_weights
from unicnn.graph import Graph, infer
from unicnn.model import Model
from unicnn.porting.dialect import DialectInfo
from unicnn.porting.normal import first_difference
from unicnn.porting.proof.certificate import LIMIT, ROUNDED_LIMIT, Certificate, Row, Training
from unicnn.porting.proof.judging import distance, gradient_rows, layer_rows
from unicnn.porting.proof.matching import behaving, changed, compared, inexact, matched, meaningless, recorded_batch
from unicnn.porting.proof.side import ImportedSide, Observed, Side, Trained
from unicnn.porting.proof.steps import Plan, plan_of
from unicnn.porting.proof.traps import likely_cause
from unicnn.porting.proof.worker import read_observed
from unicnn.porting.reading import BATCH
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
LARGE = 10**9
"""Networks with more multiply-adds are compared on one sample."""


class Proof:
    """Prove that the network in a file is the original."""

    def __init__(
        self, side: Side, path: Path, info: DialectInfo, entry: str, recipe: Recipe | None, seed: int, training: bool, python: str, progress: Callable[[str], None]
    ) -> None:  # fmt: skip
        self.side, self.path, self.info, self.entry = side, path, info, entry
        self.training, self.python, self.progress = training, python, progress
        self.graph: Graph = infer(side.model)
        self.inexact = inexact(self.graph, [info, *([plugins.dialect(side.imported.dialect)] if isinstance(side, ImportedSide) else [])])
        rounded = isinstance(side, ImportedSide) and side.imported.rounded
        self.limit = ROUNDED_LIMIT if rounded or self.inexact else LIMIT
        read_with = recorded_batch(side)
        self.samples = read_with if read_with != BATCH else 1 if self.graph.multiply_adds > LARGE else BATCH
        self.inputs = [
            randomness.normal((self.samples, *shape), "proof", seed, name).astype(np.float32) for name, shape in side.model.inputs
        ]
        self.cotangents = [
            randomness.normal((self.samples, *self.graph.shapes[name]), "cotangent", seed, f"{place}").astype(np.float32)
            for place, (_, name) in enumerate(side.model.outputs)
        ]
        self.plan: Plan | None = None if recipe is None else plan_of(recipe, self.graph, seed)

    def run(self) -> Certificate:
        """Run both sides, and compare."""
        with tempfile.TemporaryDirectory(prefix="unicnn-proof-") as folder:
            self.progress(f"running the {self.info.title} port")
            self._write_job(Path(folder))
            command = [self.python, "-m", "unicnn.porting.proof.worker", folder]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as port:
                try:
                    self.progress("running the original")
                    original = {dtype: self._observed(dtype) for dtype in ("float64", "float32")}
                    _, self.errors = port.communicate()
                finally:
                    port.kill()
            self.code = port.returncode
            return self._judged(Path(folder), original)

    def _observed(self, dtype: str) -> Observed:
        try:
            return self.side.observe(self.inputs, self.cotangents, dtype)
        except UnicnnError:
            raise
        except Exception as error:
            detail = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            raise PortError(
                f"{self.side.model.name}: the original could not be run again in {dtype} to compare with ({detail}). Run it by itself on "
                f"{' and '.join('x'.join(map(str, array.shape)) for array in self.inputs)} to see why, or port it with --no-proof."
            ) from error

    def _write_job(self, folder: Path) -> None:
        save_weights(self.side.weights, folder / "weights.safetensors")
        other = {name: changed(name, array, 2.0**-20 if self.limit == LIMIT else 2.0**-10) for name, array in self.side.weights.items()}
        save_weights(other, folder / "control.safetensors")
        arrays = {f"input{i}": array for i, array in enumerate(self.inputs)} | {f"cotangent{i}": a for i, a in enumerate(self.cotangents)}
        if self.plan is not None:
            arrays |= self.plan.arrays
        np.savez(folder / "given.npz", **arrays)
        job = {
            "file": str(self.path.resolve()),
            "entry": self.entry,
            "dialect": self.info.name,
            "name": self.side.model.name,
            "inputs": len(self.inputs),
            "called": [name for name, _ in self.side.model.inputs],
            "outputs": len(self.cotangents),
            "shapes": [self._native(array.shape) for array in self.inputs],
            "dtypes": ["float64", "float32"],
            "training": self.training,
            "recipe": None if self.plan is None or self.plan.skipped else self.plan.recipe.to_dict(),
            "own_loop": self.plan is not None and self.plan.exact,
            "epochs": 0 if self.plan is None else self.plan.epochs,
            "batches": 0 if self.plan is None else self.plan.batches,
        }
        (folder / "job.json").write_text(json.dumps(job))

    def _native(self, shape: tuple[int, ...]) -> list[int]:
        return [shape[0], *shape[2:], shape[1]] if self.info.channels_last and len(shape) == 4 else list(shape)

    def _judged(self, folder: Path, original: Mapping[str, Observed]) -> Certificate:
        answer_file = folder / "answer.json"
        if not answer_file.exists():
            detail = " ".join((self.errors or "").split())[-400:]
            return self._certificate(problem=f"{self.path.name} ended its process (exit code {self.code}): {detail}")
        answer = json.loads(answer_file.read_text())
        if "error" in answer:
            return self._certificate(problem=f"{self.path.name}: {answer['error']}")
        port = {dtype: read_observed(folder / f"{dtype}.npz") for dtype in ("float64", "float32")}
        control = read_observed(folder / "control.npz")
        other = from_dict(answer["model"])
        renamed = matched(self.side.model, other)
        layers = layer_rows(self.graph, original, port, renamed, self.inputs, self.side.weights)
        if self.training and port["float64"].gradients:
            ported = {layer.name: layer for layer in other.layers}
            layers = [
                behaving(row, node, ported.get(renamed.get(node.name, node.name)))
                for row, node in zip(layers, self.graph.nodes, strict=True)
            ]
        outputs = self._output_rows(original, port)
        gradients = gradient_rows(original["float64"], port["float64"], renamed)
        if problem := meaningless(original["float64"]):
            return self._certificate(problem=problem)
        layers, outputs, gradients = ([dataclasses.replace(row, limit=self.limit) for row in rows] for rows in (layers, outputs, gradients))
        certificate = self._certificate(
            layers=tuple(layers),
            outputs=tuple(outputs),
            gradients=tuple(gradients),
            training=dataclasses.replace(self._trained(folder, answer, renamed), limit=self.limit),
            control=self._control(port["float64"], control, renamed),
            notes=self._notes(original["float64"], port["float64"], layers, other),
        )
        if certificate.first is not None:
            return dataclasses.replace(
                certificate,
                cause=likely_cause(self.graph, self.side.weights, port["float64"], renamed, certificate.first.name, self.inputs),
            )
        return certificate

    def _output_rows(self, original: Mapping[str, Observed], port: Mapping[str, Observed]) -> list[Row]:
        a, b = original["float64"].outputs, port["float64"].outputs
        if len(a) != len(b):
            return [Row("outputs", "output", (), None, differs=f"there are {len(a)} of the original and {len(b)} of the port")]
        names = [key or name for key, name in self.side.model.outputs]
        return [Row(name, "output", one.shape[1:], distance(one, two)) for name, one, two in zip(names, a, b, strict=True)]

    def _control(self, port: Observed, control: Observed, renamed: Mapping[str, str]) -> float | None:
        """Return the smallest difference that the changed weights made to a layer that holds some."""
        found = []
        for node in self.graph.nodes:
            name = renamed.get(node.name, node.name)
            if node.parameters and name in port.layers and name in control.layers:
                found.append(distance(port.layers[name], control.layers[name]))
        return min(found, default=None if any(node.parameters for node in self.graph.nodes) else float("inf"))

    def _trained(self, folder: Path, answer: dict[str, Any], renamed: Mapping[str, str]) -> Training:
        plan = self.plan
        if plan is None:
            return Training(skipped="no recipe was given")
        if plan.skipped:
            return Training(skipped=plan.skipped)
        self.progress("training the original")
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the loop tells its epochs
                mine = self.side.train(plan.recipe, plan.of, plan.epochs, "float64")
        except (NotImplementedError, UnsupportedError) as error:
            return Training(skipped=f"the original cannot be trained so: {error}")
        arrays = np.load(folder / "trained.npz", allow_pickle=False)
        weights = {name: arrays[name] for name in arrays.files}
        return compared(mine, Trained(tuple(answer["losses"]), weights), self.side.weights, renamed)

    def _notes(self, original: Observed, port: Observed, layers: Sequence[Row], other: Model) -> tuple[str, ...]:
        notes = self.side.imported.notes if isinstance(self.side, ImportedSide) else ()
        notes = (*notes, *(f"{reason}, so this is proven to {self.limit:.0e} only." for reason in self.inexact))
        hidden = [row.name for row in layers if row.float64 is None]
        if hidden:
            notes = (*notes, f"{', '.join(hidden)}: not visible in both, and proven by what comes after.")
        if difference := first_difference(self.side.model, other):
            notes = (*notes, f"Read back, the port is described otherwise: {difference}.")
        if not port.gradients or not original.gradients:
            notes = (*notes, "One of the two gives no gradients, so none were compared.")
        return notes

    def _certificate(self, **found: Any) -> Certificate:
        nothing: dict[str, Any] = {
            "layers": (),
            "outputs": (),
            "gradients": (),
            "training": Training(skipped="nothing was compared"),
            "control": None,
        }
        titles = {info.name: info.title for info in plugins.dialects().values()}
        source = titles[self.side.imported.dialect] if isinstance(self.side, ImportedSide) else "description"
        return Certificate(
            network=self.side.model.name,
            original=source,
            port=self.info.title,
            file=self.path.name,
            sha256=hashlib.sha256(self.path.read_bytes()).hexdigest(),
            samples=self.samples,
            limit=self.limit,
            versions=_versions({source, self.info.title}),
            **(nothing | found),
        )


def _versions(titles: set[str]) -> dict[str, str]:
    found = {info.title: info.version() or "unknown" for item in plugins.discover() if (info := item.info) is not None}
    names = {info.title: found.get(_title(info.backend), "") for info in plugins.dialects().values()}
    return {title: names[title] for title in sorted(titles) if names.get(title)} | {"NumPy": np.__version__}


def _title(backend: str | None) -> str:
    """Return the title of the backend called so, or nothing."""
    info = None if backend is None else plugins.info(backend)
    return "" if info is None else info.title
