"""What a training leaves in its folder beside the checkpoints: recipe, network, weights, history and pictures."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

from unicnn import __version__, files
from unicnn.errors import InputError
from unicnn.training.data import Split
from unicnn.training.history import Epoch
from unicnn.training.recipe import save_recipe
from unicnn.training.run import Run

COVERS = "all weights, the optimiser's state, every step's loss and every epoch's metrics"


def prepare(run: Run, folder: Path) -> None:
    """Make the folder, and write the recipe in full and the network: what cannot be written is found before the training, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror}). Choose another one.") from None
    save_recipe(run.recipe, folder / "recipe.toml")
    files.save(run.model, folder / "model.toml")


def write(run: Run, folder: Path) -> None:
    """Write the weights and the history, then the pictures that there are."""
    from unicnn.training import pictures

    files.save_weights(run.program.weights(), folder / "weights.safetensors")
    try:
        (folder / "history.json").write_text(json.dumps(document(run), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder / 'history.json'}: cannot be written ({error.strerror}). Choose another folder.") from None
    if run.history.losses:
        pictures.curve(run.history, folder / "curve", title(run), run.recipe)
    pictures.predictions(run, folder / "predictions")


def title(run: Run) -> str:
    """Return what is trained, and on what."""
    program = run.program
    info = program.backend.info
    return f"{run.model.name} on {info.title} {info.version() or ''}, {program.runtime.device}, {program.numerics.name} numerics, seed {run.seed}"


def row(epoch: Epoch) -> dict[str, Any]:
    """Return an epoch as it is told, counted from 1."""
    test = {} if epoch.test_loss is None else {"test_loss": epoch.test_loss, **{f"test_{k}": v for k, v in epoch.test_metrics.items()}}
    return {
        "epoch": epoch.number + 1, "step": epoch.step, "rate": epoch.rate, "loss": epoch.loss, **epoch.metrics, **test,
        "seconds": round(epoch.seconds, 3), "images_per_second": round(epoch.images_per_second, 1),
    }  # fmt: skip


def digest(run: Run) -> tuple[str | None, str]:
    """Return the run's SHA-256 and what it covers, or None and why it would prove nothing."""
    try:
        return run.sha256(), f"{COVERS} of {run.steps} steps"
    except InputError as error:
        return None, str(error)


def document(run: Run) -> dict[str, Any]:
    """Return the history, and all that is needed to train again."""
    info, (sha256, covers) = run.program.backend.info, digest(run)
    return {
        "model": run.model.name,
        "backend": info.name,
        "device": run.program.runtime.device,
        "numerics": run.program.numerics.name,
        "seed": run.seed,
        "versions": {
            "unicnn": __version__, "python": platform.python_version(), "numpy": np.__version__, info.framework: info.version() or "unknown",
        },
        "data": {name: _told(split) for name, split in (("train", run.train), ("test", run.test)) if split is not None},
        "sha256": sha256,
        "covers": covers,
        "recipe": run.recipe.to_dict(),
        "steps": run.steps,
        "epochs": [row(epoch) for epoch in run.history.epochs],
        "losses": run.history.losses,
    }  # fmt: skip


def _told(split: Split) -> dict[str, Any]:
    return {"samples": len(split), "source": split.source, "sha256": split.sha256}
