"""What the emitters write, kept as files so that a change of it is seen and read: ``python -m tests.porting.golden`` writes them anew.

Every dialect that has a folder is kept; names of dialects after the command write only theirs. The one of the example of a plugin is
kept, too, wherever the example is installed: its emitter needs nothing but itself.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import unicnn as un
from tests.porting.structures import STRUCTURES, structure
from unicnn import plugins
from unicnn.graph import infer
from unicnn.porting.dialect import DialectInfo
from unicnn.porting.emitting import formatted

HERE = Path(__file__).with_suffix("")
OUTSIDE = HERE.parents[2] / "examples" / "your_own_backend"
NETWORKS = (*(name for name in un.zoo.names() if name != "vgg11-quarter"), *STRUCTURES)

REFUSED: frozenset[tuple[str, str]] = frozenset()
"""What a dialect cannot say: pairs (dialect, network)."""


def dialects() -> list[str]:
    """Return the dialects that have a folder and a plugin."""
    return [name for name in (*plugins.dialects(), *({"jax"} - {*plugins.dialects()})) if (HERE / name).is_dir()]


def dialect_info(dialect: str) -> DialectInfo:
    """Return what a plugin says of its dialect; the one outside of the project need not be installed."""
    if dialect in plugins.dialects():
        return plugins.dialect(dialect)
    with patch.object(sys, "path", [*sys.path, str(OUTSIDE)]):
        return importlib.import_module(f"unicnn_{dialect}").unicnn_dialect()


def source(dialect: str, network: str) -> str:
    """Return what a dialect's emitter writes now."""
    model, hints = structure(network)
    found = dialect_info(dialect)
    return formatted(found.emitter().write(infer(model), style=found.styles[0], recipe=None, hints=hints))


def path(dialect: str, network: str) -> Path:
    """Return the file in which it is kept."""
    return HERE / dialect / f"{network.replace(' ', '_').replace('-', '_')}.py"


def kept(wanted: Iterable[str] = ()) -> Iterator[tuple[Path, str]]:
    """Yield every golden file and what it should hold."""
    for dialect in list(wanted) or dialects():
        for network in NETWORKS:
            if (dialect, network) not in REFUSED:
                yield path(dialect, network), source(dialect, network)


def main(wanted: list[str]) -> None:
    """Write the golden files."""
    for file, text in kept(wanted):
        file.write_text(text, encoding="utf-8")
        print(file.relative_to(HERE))


if __name__ == "__main__":
    main(sys.argv[1:])
