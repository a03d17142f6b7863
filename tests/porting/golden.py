"""What the emitters write, kept as files so that a change of it is seen and read: ``python -m tests.porting.golden`` writes them anew.

Every dialect that has a folder is kept; names of dialects after the command write only theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import unicnn as un
from tests.porting.structures import STRUCTURES, structure
from unicnn import plugins
from unicnn.graph import infer
from unicnn.porting.emitting import formatted

HERE = Path(__file__).with_suffix("")
NETWORKS = (*(name for name in un.zoo.names() if name != "vgg11-quarter"), *STRUCTURES)

REFUSED: frozenset[tuple[str, str]] = frozenset()
"""What a dialect cannot say: pairs (dialect, network)."""


def dialects() -> list[str]:
    """Return the dialects that have a folder and a plugin."""
    return [name for name in plugins.dialects() if (HERE / name).is_dir()]


def source(dialect: str, network: str) -> str:
    """Return what a dialect's emitter writes now."""
    model, hints = structure(network)
    found = plugins.dialect(dialect)
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
