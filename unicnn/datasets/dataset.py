"""A labelled set of images, held as it was stored: bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from unicnn.errors import DataError


# eq=False: comparing arrays with == gives an array, so a generated __eq__ would only raise.
@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold one split of a data set; the arrays are read-only.

    images: uint8 (N, rows, columns). labels: uint8 (N,), class numbers. classes: the class names
    by number. source: where the images came from, to print.
    """

    name: str
    split: str
    images: npt.NDArray[np.uint8] = field(repr=False)
    labels: npt.NDArray[np.uint8] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        """Check that there is one label per image; raise DataError otherwise."""
        if len(self.images) != len(self.labels):
            raise DataError(
                f"{self.name}/{self.split}: {len(self.images)} images and {len(self.labels)} "
                "labels do not belong together. Give one label per image."
            )
        # Two callers may share these arrays, so writing through one must not be possible.
        for attribute in ("images", "labels"):
            view = getattr(self, attribute).view()
            view.setflags(write=False)
            object.__setattr__(self, attribute, view)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, n: int) -> Dataset:
        """Return the first n samples, without copying; raise DataError unless 0 <= n <= len."""
        if not 0 <= n <= len(self):
            raise DataError(
                f"{self.name}/{self.split}: cannot take {n} of {len(self)} samples "
                f"({self.source}). Take 0 to {len(self)}, or use another source."
            )
        return replace(self, images=self.images[:n], labels=self.labels[:n])

    def as_float(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return new arrays to feed a network.

        Images: float32 (N, 1, rows, columns), each byte divided by 255 in float32.
        Labels: int64 (N,).
        """
        images = self.images[:, np.newaxis].astype(np.float32) / np.float32(255)
        return images, self.labels.astype(np.int64)
