"""The command `unicnn diff`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unicnn import terminal


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A network, or a recipe: a name, a .toml or .json file, or file.py:name.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What it is compared with, from the same framework or another.")],
    input: Annotated[
        list[str] | None,
        typer.Option(metavar="N,C,H,W", help="The input of a framework's network, as it takes it; given twice, A's and B's."),
    ] = None,
    recipe: Annotated[bool, typer.Option("--recipe", help="Where a network and a recipe have the same name, mean the recipe.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show equal layers, or choices, too.")] = False,
    inference_only: Annotated[
        bool, typer.Option("--inference-only", help="Do not read what a framework's network does in training.")
    ] = False,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Measure what each difference does, or only list them.")] = True,
    batch: Annotated[int | None, typer.Option(metavar="N", help="How many samples; as many as are quick by default.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the samples, and the weights of networks without any.")] = 0,
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to standard output if it is '-'.")
    ] = None,
) -> None:
    """Compare two networks, or two recipes: what differs, and what each difference does to the numbers.

    Exits 0 if nothing that differs does anything, 1 if something does, 2 on bad input.
    """
    from unicnn.errors import InputError
    from unicnn.porting.difference import diff as ask
    from unicnn.porting.difference.report import show
    from unicnn.porting.difference.subjects import named
    from unicnn.porting.finding import parse_shapes

    shapes: list[Any] = [parse_shapes(text) for text in input or ()] or [None]
    if len(shapes) > 2:
        raise InputError(f"--input is given {len(shapes)} times, but there are two networks. Give it once for both, or once for each.")
    first, second = (named(text, shape, recipe=recipe, training=not inference_only) for text, shape in ((a, shapes[0]), (b, shapes[-1])))
    with terminal.status(f"comparing {a} and {b}") as progress:
        result = ask(first, second, run=run, batch=batch, seed=seed, progress=progress)
    if json_to is not None:
        terminal.write(json_to, result.to_json())
    if json_to != "-":
        show(result, terminal.console(), every=every)
    raise typer.Exit(0 if result.same else 1)
