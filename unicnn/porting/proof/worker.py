"""The process in which a port is run: nothing but the emitted file, its framework, and what asks it.

Run by `python -m unicnn.porting.proof.worker JOB`, where JOB is a folder with job.json, given.npz and weights.safetensors; the answer
is written into the same folder.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from unicnn import plugins
from unicnn.errors import PortError, UnicnnError
from unicnn.files import to_dict
from unicnn.porting.proof.matching import called_as
from unicnn.porting.proof.side import ImportedSide, Observed
from unicnn.porting.reading import from_framework
from unicnn.training.recipe import from_dict as recipe_from_dict


def main(folder: Path) -> None:
    """Do the job in `folder`, and write what was found, or what went wrong, into answer.json."""
    job = json.loads((folder / "job.json").read_text())
    try:
        answer = _answer(folder, job)
    except UnicnnError as error:
        answer = {"error": str(error)}
    except BaseException as error:
        answer = {"error": _told(error, job["file"])}
    (folder / "answer.json").write_text(json.dumps(answer))


def _answer(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    given = np.load(folder / "given.npz", allow_pickle=False)
    inputs = [given[f"input{i}"] for i in range(job["inputs"])]
    cotangents = [given[f"cotangent{i}"] for i in range(job["outputs"])]
    plugins.dialect(job["dialect"]).importer()  # it knows how its framework is imported beside this NumPy
    scope = runpy.run_path(job["file"])
    for name in (job["entry"], "load_weights"):
        if not callable(scope.get(name)):
            raise PortError(
                f"{job['file']}: defines no {name}, by which the network is made and filled. Define it, or name the one there is."
            )

    def loaded(weights: str, training: bool) -> ImportedSide:
        net = scope[job["entry"]]()
        filled = scope["load_weights"](net, str(folder / weights))
        shapes = [tuple(shape) for shape in job["shapes"]]
        net = net if filled is None else filled
        imported = from_framework(net, shapes, training=training, name=job["name"], dialect=job["dialect"])
        return ImportedSide(called_as(imported, job["called"]))

    side = loaded("weights.safetensors", job["training"])
    answer: dict[str, Any] = {"model": to_dict(side.model)}
    for dtype in job["dtypes"]:
        _save(folder / f"{dtype}.npz", side.observe(inputs, cotangents, dtype))
    _save(folder / "control.npz", loaded("control.safetensors", False).observe(inputs, cotangents, "float64"))
    if job["recipe"] is not None:
        answer["losses"] = _train(folder, job, side, given, scope)
    return answer


def _train(folder: Path, job: dict[str, Any], side: ImportedSide, given: Any, scope: dict[str, Any]) -> list[float]:
    recipe = recipe_from_dict(job["recipe"])

    def batches(epoch: int) -> Iterator[tuple[Any, Any]]:
        for i in range(job["batches"]):
            yield given[f"x{epoch}.{i}"], given[f"labels{epoch}.{i}"]

    source = Path(job["file"]).read_text() if job["own_loop"] and callable(scope.get("train")) else None
    trained = side.train(recipe, batches, job["epochs"], "float64", source)
    np.savez(folder / "trained.npz", **trained.weights)
    return list(trained.losses)


def _save(path: Path, observed: Observed) -> None:
    arrays = {f"layer:{name}": value for name, value in observed.layers.items()}
    arrays |= {f"output:{place}": value for place, value in enumerate(observed.outputs)}
    arrays |= {f"gradient:{name}": value for name, value in observed.gradients.items()}
    np.savez(path, **arrays)


def read_observed(path: Path) -> Observed:
    """Return what a worker saved."""
    arrays = np.load(path, allow_pickle=False)
    parts: dict[str, dict[str, Any]] = {"layer": {}, "output": {}, "gradient": {}}
    for key in arrays.files:
        kind, _, name = key.partition(":")
        parts[kind][name] = arrays[key]
    return Observed(parts["layer"], tuple(parts["output"][str(i)] for i in range(len(parts["output"]))), parts["gradient"])


def _told(error: BaseException, file: str) -> str:
    """Return an error of the emitted file in one sentence, with its line there."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    at = f" at line {lines[-1].lineno} ({(lines[-1].line or '').strip()})" if lines else ""
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return f"it fails to run{at}: {detail}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
