"""Make the embedded slice of Fashion-MNIST from the full set.

    python -m unicnn.datasets.make_slice --data DIR --out FILE

The same input gives the same bytes: the first images of each class are taken in file order, and
neither .npz nor .xz records a time. Another version of liblzma may pack differently; the checksum
is of the arrays, so it stays.
"""

from __future__ import annotations

import argparse
import io
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unicnn.datasets import embedded
from unicnn.datasets.dataset import Dataset
from unicnn.datasets.fashion import CLASSES, fashion_mnist

PER_CLASS = {"train": 200, "test": 100}


def choose(labels: npt.NDArray[np.uint8], per_class: int) -> npt.NDArray[np.intp]:
    """Return the indices of the first per_class samples of each class, the classes taking turns."""
    firsts = [np.flatnonzero(labels == number)[:per_class] for number in range(len(CLASSES))]
    turns: npt.NDArray[np.intp] = np.stack(firsts, axis=1).ravel()
    return turns


def slice_arrays(train: Dataset, test: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the four arrays of the slice by their names in the file, all uint8."""
    arrays: dict[str, npt.NDArray[np.uint8]] = {}
    for dataset in (train, test):
        chosen = choose(dataset.labels, PER_CLASS[dataset.split])
        arrays[f"{dataset.split}_images"] = dataset.images[chosen]
        arrays[f"{dataset.split}_labels"] = dataset.labels[chosen]
    return arrays


def pack(arrays: embedded.Arrays) -> bytes:
    """Return the arrays as the bytes of an .npz inside .xz."""
    archive = io.BytesIO()
    np.savez(archive, **{name: arrays[name] for name in embedded.ARRAYS})
    # Preset 6 packs as well as 9 here, and unpacking takes 8 MiB instead of 64.
    return lzma.compress(archive.getvalue(), preset=6 | lzma.PRESET_EXTREME)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the slice and print its size and the checksum of its arrays."""
    parser = argparse.ArgumentParser(prog="python -m unicnn.datasets.make_slice", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx files of Fashion-MNIST")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(argv)
    arrays = slice_arrays(*(fashion_mnist(split, source=options.data) for split in ("train", "test")))
    packed = pack(arrays)
    options.out.write_bytes(packed)
    checksum = embedded.checksum(arrays)
    verdict = "as recorded" if checksum == embedded.SHA256 else f"recorded is {embedded.SHA256}"
    print(f"{options.out}: {len(packed)} bytes, SHA-256 of the arrays {checksum} ({verdict})")


if __name__ == "__main__":
    main()
