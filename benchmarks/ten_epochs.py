"""Put trainings by the Gluon tutorial's recipe beside the table that the tutorial prints: ``python -m benchmarks.ten_epochs RUN …``.

Each RUN is a folder of ``unicnn train gluon-lenet --backend B --numerics N --out RUN`` on the full data.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

Run: TypeAlias = dict[str, Any]

PRINTED = (
    (1.155733, 0.567287, 0.761133),
    (0.558990, 0.782680, 0.826172),
    (0.465726, 0.821543, 0.848633),
    (0.420673, 0.838697, 0.857227),
    (0.382026, 0.855740, 0.869824),
    (0.358218, 0.865320, 0.871094),
    (0.335073, 0.873648, 0.881641),
    (0.317190, 0.881250, 0.884863),
    (0.303633, 0.885882, 0.886133),
    (0.291287, 0.889993, 0.886719),
)
"""What the tutorial prints for each epoch: loss, training accuracy, test accuracy."""

KEYS = ("loss", "accuracy", "test_accuracy")
TITLES = {"numpy": "NumPy", "torch": "PyTorch", "tensorflow": "TensorFlow", "mxnet": "MXNet", "jax": "JAX"}

TEXT = """# Ten epochs of the Gluon tutorial

LeNet on all 60,000 images of Fashion-MNIST by [the built-in recipe](training.md) `gluon-lenet`: weights from U(-0.07, 0.07), biases 0, SGD with a
rate of 0.5, batches of 256, the summed gradient always divided by 256, epochs averaged over batches. Each cell is loss / accuracy while training /
accuracy on the test images. All runs share the seed 0: the same weights to begin with, the same order of images.

```console
$ unicnn train gluon-lenet --backend torch --numerics identical --out runs/torch-identical
$ python -m benchmarks.ten_epochs runs/* --markdown docs/gluon_ten_epochs.md
```

{table}

The tutorial's own run had another seed, so its column is one more draw. Under native numerics the runs differ from the first epoch on, though nothing but rounding
does: with a rate of 0.5 a difference in the last bit grows tenfold every few steps, and which weights come out depends on the framework, its version, the
processor and the number of threads. [collapse.py](../examples/collapse.py) shows seeds for which one framework learns and another never does.

## Identical

Under identical numerics there is one column, whoever computes it. The digest is over all weights, the loss of each of the 2,350 steps, and the metrics of each
epoch.

{digests}

{date}, {processor}; a run on another machine says so.
"""


def main(runs: list[Path], markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page to FILE.")] = None) -> None:
    """Print the trainings in these folders beside the tutorial's table."""
    found = [read(folder) for folder in runs]
    page = TEXT.format(table=table(found), digests=digests(found), date=f"{datetime.now(timezone.utc):%Y-%m-%d}", processor=processor())
    print(page) if markdown is None else markdown.write_text(page, encoding="utf-8")


def read(folder: Path) -> Run:
    """Return the history in a folder."""
    run: Run = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    run["title"] = f"{TITLES.get(run['backend'], run['backend'])} {run['versions'][run['backend']]}" + (
        "" if run["device"] == "cpu" else f" on {run['device']}"
    )
    return run


def table(runs: Sequence[Run]) -> str:
    """Return a row an epoch: what is printed, the native runs, and the identical ones, which must be one."""
    native = [run for run in runs if run["numerics"] == "native"]
    identical = sorted((run for run in runs if run["numerics"] == "identical"), key=lambda run: -len(run["epochs"]))
    for run in identical:
        check_same(run, identical[0])
    columns = [[dict(zip(KEYS, row, strict=True)) for row in PRINTED], *(run["epochs"] for run in native)]
    heads = ["epoch", "printed", *(f"{run['title']}, native" for run in native)]
    if identical:
        columns.append(identical[0]["epochs"])
        heads.append("identical, everywhere")
    lines = [line(heads), line("---" for _ in heads)]
    for epoch in range(len(PRINTED)):
        cells = (" / ".join(f"{column[epoch][key]:.4f}"[0 if column[epoch][key] >= 1 else 1 :] for key in KEYS) for column in columns)
        lines.append(line([str(epoch), *cells]))
    return "\n".join(lines)


def check_same(run: Run, whole: Run) -> None:
    """Raise SystemExit unless a run gave bit for bit what another one gave in the epochs and steps that both ran."""
    shared = len(run["losses"])
    values = [[{key: epoch[key] for key in KEYS} for epoch in one["epochs"]] for one in (run, whole)]
    if run["losses"] != whole["losses"][:shared] or values[0] != values[1][: len(values[0])]:
        raise SystemExit(f"{run['title']} and {whole['title']} differ under identical numerics. One of them is wrong: do not record this.")


def digests(runs: Sequence[Run]) -> str:
    """Return who ran how far with which digest, and how fast."""
    identical = [run for run in runs if run["numerics"] == "identical"]
    lines = [line(("backend", "epochs", "SHA-256", "machine")), line("---" for _ in range(4))]
    for run in identical:
        kept = f"`{run['sha256']}`" if len(run["epochs"]) == len(PRINTED) else "each epoch's that of the others"
        lines.append(line((run["title"], str(len(run["epochs"])), kept, run.get("machine", "this one"))))
    return "\n".join(lines)


def line(cells: Any) -> str:
    """Return cells as a line of Markdown."""
    return f"| {' | '.join(cells)} |"


def processor() -> str:
    """Return what the processor is called."""
    try:
        names = [text for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if text.startswith("model name")]
    except OSError:
        names = []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    typer.run(main)
