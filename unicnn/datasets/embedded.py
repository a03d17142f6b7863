"""The slice of Fashion-MNIST inside the package: 2000 train and 1000 test images.

The file is an uncompressed .npz inside .xz, which is a seventh smaller than a compressed .npz and
unpacks in a tenth of a second. It is made by `python -m unicnn.datasets.make_slice`.
"""

from __future__ import annotations

import hashlib
import io
import lzma
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from unicnn.errors import DataError

Arrays = Mapping[str, npt.NDArray[np.uint8]]

FILE = "fashion_mnist_slice.npz.xz"
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
SHA256 = "4fdb606fb6e9dbff1ab34b2cb85c08f909ca888be95a1146bd465f4f410665ed"


def load(split: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return images, uint8 (N, 28, 28), and labels, uint8 (N,), of "train" or "test".

    The classes follow one another, 0 to 9, over and over, so that any prefix is nearly balanced.
    Raises DataError when the installed file is damaged.
    """
    arrays = _arrays()
    return arrays[f"{split}_images"], arrays[f"{split}_labels"]


def checksum(arrays: Arrays) -> str:
    """Return the SHA-256 of the bytes of the four arrays in the order of ARRAYS, in hexadecimal."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


@cache
def _arrays() -> Arrays:
    packed = files("unicnn.datasets") / FILE
    try:
        with np.load(io.BytesIO(lzma.decompress(packed.read_bytes())), allow_pickle=False) as archive:
            return MappingProxyType({name: archive[name] for name in ARRAYS})
    except (OSError, lzma.LZMAError, ValueError, KeyError) as error:
        raise DataError(f"{packed}: the embedded slice cannot be read ({error}). Install unicnn again.") from error
