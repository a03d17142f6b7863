"""Run the command by itself: ``python -m unicnn.conformance.fuzzing``."""

from __future__ import annotations

import typer

from unicnn.conformance.fuzzing.command import fuzz
from unicnn.errors import UnicnnError


def main() -> None:
    """Run the command; an error that unicnn explains is one paragraph on standard error and exit code 2."""
    try:
        typer.run(fuzz)
    except UnicnnError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
