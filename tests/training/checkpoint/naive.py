"""A writer of checkpoints as one writes it without thinking of what may happen: in place, the same two files each time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from unicnn.training.checkpoint import Checkpoint


def save_in_place(checkpoint: Checkpoint, folder: Path) -> None:
    with open(folder / "weights.safetensors", "wb") as file:
        file.write(save(dict(checkpoint.arrays)))
        file.flush()
        os.fsync(file.fileno())
    with open(folder / "state.json", "w") as file:
        file.write(json.dumps({"step": checkpoint.step, "document": checkpoint.document}))
        file.flush()
        os.fsync(file.fileno())


def load_in_place(folder: Path) -> Checkpoint:
    content: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return Checkpoint(content["step"], load((folder / "weights.safetensors").read_bytes()), content["document"])
