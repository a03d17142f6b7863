"""Fashion-MNIST: 28x28 grey images of ten kinds of clothing.

Source: https://github.com/zalandoresearch/fashion-mnist (MIT licence, Copyright 2017 Zalando SE).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from unicnn.datasets import embedded
from unicnn.datasets.dataset import Dataset
from unicnn.datasets.idx import read_pair
from unicnn.errors import DataError

NAME = "fashion-mnist"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FOLDER_VARIABLE = "UNICNN_DATA"
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist

_STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_ALL_STEMS = _STEMS["train"] + _STEMS["test"]
_INSTALL = f"apt-get install dataset-{NAME}"

Files = Mapping[str, Path]


def fashion_mnist(split: str = "train", *, source: str | os.PathLike[str] = "auto") -> Dataset:
    """Load a split ("train" or "test") of Fashion-MNIST.

    source is "embedded" (the slice inside the package: 2000 train and 1000 test images), "full"
    (60000 and 10000), "auto" (full if it is on this machine, else the slice), or a folder with the
    four idx files, plain or gzipped. The full set is looked for in the folder named by the
    environment variable UNICNN_DATA, then where Debian installs it. Raises DataError when the
    files are missing or damaged. Source: https://github.com/zalandoresearch/fashion-mnist.
    """
    if split not in _STEMS:
        raise DataError(f"{NAME}: there is no split {split!r}. Use 'train' or 'test'.")
    if source == "embedded":
        return _from_slice(split)
    if source == "full":
        return _from_files(_installed() or _fail_full(), split)
    if source == "auto":
        files = _installed()
        return _from_files(files, split) if files else _from_slice(split)
    folder = Path(source).expanduser()
    return _from_files(_find(folder) or _fail_folder(folder), split)


def _from_slice(split: str) -> Dataset:
    images, labels = embedded.load(split)
    return Dataset(NAME, split, images, labels, CLASSES, f"embedded slice ({len(images)} images)")


def _from_files(files: Files, split: str) -> Dataset:
    images, labels = (files[stem] for stem in _STEMS[split])
    pixels, numbers = read_pair(images, labels, classes=len(CLASSES))
    if pixels.shape[1:] != (28, 28):
        raise DataError(
            f"{images}: the images are {pixels.shape[1]}x{pixels.shape[2]}, "
            "those of Fashion-MNIST 28x28. The file is of another data set; pass another folder."
        )
    return Dataset(NAME, split, pixels, numbers, CLASSES, str(images.parent))


def _installed() -> Files | None:
    variable = os.environ.get(FOLDER_VARIABLE)
    places = [*([Path(variable).expanduser()] if variable else []), SYSTEM_FOLDER]
    return next(filter(None, map(_find, places)), None)


def _find(place: Path) -> Files | None:
    """Return the four files by stem if place, or its subfolder, holds them all."""
    found = (_present(folder) for folder in (place, place / NAME))
    return next((files for files in found if len(files) == len(_ALL_STEMS)), None)


def _present(folder: Path) -> Files:
    # Plain files come second, and win where both are there: they load faster.
    candidates = [(stem, folder / f"{stem}{suffix}") for suffix in (".gz", "") for stem in _ALL_STEMS]
    return {stem: path for stem, path in candidates if path.is_file()}


def _fail_full() -> NoReturn:
    variable = os.environ.get(FOLDER_VARIABLE) or "not set"
    raise DataError(
        f"{NAME}: the full set is not on this machine. Looked at the argument source (no folder "
        f"given), the environment variable {FOLDER_VARIABLE} ({variable}) and {SYSTEM_FOLDER}. "
        f"Install it with `{_INSTALL}`, or give a folder that holds {', '.join(_ALL_STEMS)}, "
        "plain or .gz."
    )


def _fail_folder(folder: Path) -> NoReturn:
    missing = [stem for stem in _ALL_STEMS if stem not in _present(folder)]
    raise DataError(
        f"{folder}: the folder lacks {', '.join(missing)} (plain or .gz), also in a "
        f"subfolder {NAME}. Pass a folder that holds the four files of Fashion-MNIST, or install them with "
        f"`{_INSTALL}` and use source='full'."
    )
