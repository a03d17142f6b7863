"""What a recipe trains on: where images come from, what is done to them, and batches of them as arrays.

Everything is computed in float32 by NumPy, element by element, so that every backend is given the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from unicnn.datasets import Dataset, fashion_mnist
from unicnn.datasets.fashion import CLASSES
from unicnn.errors import DataError, InputError
from unicnn.ops.fields import choice, field, integer, number, optional, pair
from unicnn.training.settings import Setting, setting

Array: TypeAlias = np.ndarray[Any, Any]

FASHION = "fashion-mnist"


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError('must be "fashion-mnist", a folder with idx files, or an .npz file')
    return value


@setting()
class Data(Setting):
    """Name a labelled set of images, and what is done to them.

    `name`: "fashion-mnist"; a folder with the four idx files of a set like MNIST; or an .npz file that holds x_train, y_train, x_test and
    y_test. `source`, for Fashion-MNIST: "auto" (all of it if it is on this machine, else the slice inside the package), "embedded" or
    "full". `train` and `test` limit how many of the first samples are used. Each value v becomes (v / divide_by - mean) / std after
    `resize` to (height, width), by `resize_method`: "bilinear" (half-pixel centres, no antialiasing) or "nearest".
    """

    name: str = field(_name)
    source: str = field(choice("auto", "embedded", "full"), default="auto")
    train: int | None = field(optional(integer(1)), default=None)
    test: int | None = field(optional(integer(0)), default=None)
    divide_by: float = field(number(low=1e-30), default=255.0)
    mean: float = field(number(), default=0.0)
    std: float = field(number(low=1e-30), default=1.0)
    resize: tuple[int, int] | None = field(optional(pair(1)), default=None)
    resize_method: str = field(choice("bilinear", "nearest"), default="bilinear")

    @classmethod
    def optional(cls) -> frozenset[str]:
        return frozenset({"train", "test", "resize"})


@dataclass(frozen=True, eq=False)
class Split:
    """Hold samples as they were stored, and make arrays of some of them: float32 (n, channels, height, width) and labels or targets."""

    images: Array = dataclass_field(repr=False)
    targets: Array = dataclass_field(repr=False)
    data: Data | None
    source: str
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Array) -> tuple[Array, Array]:
        """Return the samples of these indices, prepared."""
        images, targets = self.images[indices], self.targets[indices]
        if self.data is None:
            return images, targets
        values = images if images.ndim == 4 else images[:, None]
        return prepared(values.astype(np.float32), self.data), targets

    @cached_property
    def sha256(self) -> str:
        """Return a digest of the samples as they are stored; taken once, for every checkpoint states it."""
        total = hashlib.sha256()
        for array in (self.images, self.targets):
            total.update(f"{array.dtype.str}{array.shape}".encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()


def prepared(values: Array, data: Data) -> Array:
    """Return float32 images (n, channels, height, width), resized, divided, shifted and scaled."""
    if data.resize is not None:
        values = (bilinear if data.resize_method == "bilinear" else nearest)(values, data.resize)
    values = values / np.float32(data.divide_by)
    if data.mean:
        values = values - np.float32(data.mean)
    return values if data.std == 1.0 else values / np.float32(data.std)


def nearest(images: Array, size: tuple[int, int]) -> Array:
    """Return images of another size: each pixel is the one in which its place, scaled, lies."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, images.shape[2:], strict=True))
    return images[:, :, rows[:, None], columns]


def bilinear(images: Array, size: tuple[int, int]) -> Array:
    """Return images of another size, interpolated between half-pixel centres, without antialiasing, as F.interpolate and tf.image.resize do."""
    for axis, new in zip((2, 3), size, strict=True):
        old = images.shape[axis]
        place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, old - 1)
        share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 2 else (-1,))
        images = images.take(low, axis) * (np.float32(1) - share) + images.take(high, axis) * share
    return images


def open_data(data: Data) -> tuple[Split, Split | None]:
    """Return the training samples and the test samples, or None if the set has none; raise DataError if they are not there."""
    if data.name == FASHION:
        both = [fashion_mnist(split, source=data.source) for split in ("train", "test")]
    elif data.name.endswith(".npz"):
        return _limited(*_read_npz(Path(data.name), data), data)
    elif data.source != "auto":
        raise DataError(f"{data.name}: source is for {FASHION} only. Leave it out.")
    else:
        both = [fashion_mnist(split, source=data.name) for split in ("train", "test")]
    train, test = (_of(dataset, data) for dataset in both)
    return _limited(train, test, data)


def _of(dataset: Dataset, data: Data) -> Split:
    classes = CLASSES if data.name == FASHION else ()
    return Split(dataset.images, dataset.labels.astype(np.int64), data, dataset.source, classes)


def _limited(train: Split, test: Split | None, data: Data) -> tuple[Split, Split | None]:
    first = _first(train, data.train, "train")
    return first, None if test is None or data.test == 0 else _first(test, data.test, "test")


def _first(split: Split, count: int | None, name: str) -> Split:
    if count is None:
        return split
    if count > len(split):
        raise DataError(
            f"{name} = {count} asks for more than the {len(split)} samples there are ({split.source}). "
            "Ask for fewer, or install the full set: apt-get install dataset-fashion-mnist."
        )
    return Split(split.images[:count], split.targets[:count], split.data, split.source, split.classes)


def _read_npz(path: Path, data: Data) -> tuple[Split, Split | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path}: cannot be read as .npz ({error}). It must hold the arrays x_train and y_train.") from None
    if missing := [key for key in ("x_train", "y_train") if key not in arrays]:
        raise DataError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}, but no {missing[0]}. Name the arrays x_train and y_train."
        )
    train = _checked(arrays["x_train"], arrays["y_train"], data, str(path))
    has_test = "x_test" in arrays and "y_test" in arrays
    return train, _checked(arrays["x_test"], arrays["y_test"], data, str(path)) if has_test else None


def from_arrays(given: Any) -> tuple[Split, Split | None]:
    """Return the splits of (x, y) or (x, y, test_x, test_y): float inputs as the network takes them, with labels or targets."""
    arrays = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(arrays) not in (2, 4) or not all(isinstance(array, np.ndarray) for array in arrays):
        raise InputError("data must be (x, y), or (x, y, test_x, test_y), as NumPy arrays.")
    train = _checked(arrays[0], arrays[1], None, "arrays")
    return train, _checked(arrays[2], arrays[3], None, "arrays") if len(arrays) == 4 else None


def _checked(x: Array, y: Array, data: Data | None, source: str) -> Split:
    if len(x) != len(y):
        raise DataError(f"{source}: {len(x)} samples and {len(y)} labels do not belong together. Give one label a sample.")
    if not len(x):
        raise DataError(f"{source}: there are no samples. A training needs at least one.")
    if data is not None and x.ndim not in (3, 4):
        raise DataError(f"{source}: images must be (n, height, width) or (n, channels, height, width), not {x.shape}.")
    return Split(x, y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind in "iu" else y, data, source)
