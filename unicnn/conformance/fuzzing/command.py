"""The command `unicnn fuzz`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unicnn import terminal


def fuzz(
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many random networks to run.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Decides which networks they are.")] = 0,
    backends: Annotated[str | None, typer.Option(metavar="A,B,…", help="The backends to run; all that are usable by default.")] = None,
    minutes: Annotated[float | None, typer.Option(metavar="M", min=0, help="Stop after so many minutes.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where reproductions are written.")] = Path("reproductions"),
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to standard output if it is '-'.")
    ] = None,
) -> None:
    """Run random networks on all backends, and shrink and reproduce every failure. Exits 0 if there is none, 1 if there is, 2 on bad input."""
    from unicnn import plugins
    from unicnn.conformance.fuzzing.campaign import Options, campaign
    from unicnn.conformance.fuzzing.progress import Progress
    from unicnn.conformance.fuzzing.report import show
    from unicnn.errors import InputError

    names = plugins.usable() if backends is None else tuple(dict.fromkeys(name.strip() for name in backends.split(",") if name.strip()))
    if not names:
        raise InputError("There is no backend to fuzz. Install one: pip install unicnn-numpy.")
    for name in names:
        plugins.backend(name)
    options = Options(n, seed, names, out, None if minutes is None else 60 * minutes)
    with Progress(options) as tell:
        ledger = campaign(options, tell)
    if json_to is not None:
        terminal.write(json_to, json.dumps(ledger.to_dict(), indent=2))
    if json_to != "-":
        show(ledger)
    raise typer.Exit(1 if ledger.failures else 0)
