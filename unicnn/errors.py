"""The errors a user can meet: each says what, where, why and what to do, in one paragraph."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnicnnError(Exception):
    """Mark an error that unicnn explains; the command line prints it without a traceback."""


class DescriptionError(UnicnnError, ValueError):
    """Report a network description that cannot be read or makes no sense."""


class ShapeError(DescriptionError):
    """Report a layer that cannot take the shape it is given."""


class InputError(UnicnnError, ValueError):
    """Report an input, a label array or a weight that does not fit the network."""


class DataError(UnicnnError, ValueError):
    """Report a data file that is missing, truncated or not what it claims to be."""


class UnknownNameError(UnicnnError, LookupError):
    """Report a name (of an op, a network, a backend, a device) that nothing answers to."""


class BackendError(UnicnnError, RuntimeError):
    """Report a backend that is missing, broken or cannot use the device asked for."""


class UnsupportedError(UnicnnError, NotImplementedError):
    """Report a combination that a backend declares it does not offer."""


class TrainingError(UnicnnError, RuntimeError):
    """Report a training that cannot go on: a loss that is NaN, or that explodes."""


class CheckpointError(UnicnnError, RuntimeError):
    """Report a checkpoint that cannot be written, is damaged, or belongs to another training."""


class PortError(UnicnnError, RuntimeError):
    """Report what a network does that a description cannot say, or a file that cannot be ported."""


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt name: ``" Did you mean 'relu'?"``, or the names there are."""
    names = sorted(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {lowered[near[0]]!r}?"
    return f" Known: {', '.join(names)}." if names else ""
