"""The command line. Imports what a command needs when the command runs, so that help and reports are instant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unicnn import terminal
from unicnn.errors import InputError, UnicnnError

app = typer.Typer(
    help="A convolutional network described once, run on NumPy, PyTorch, TensorFlow and MXNet, and compared.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A network of the zoo (lenet), a .toml or .json file, or file.py:name.")
]
FoundArgument = Annotated[
    str, typer.Argument(metavar="MODEL|RECIPE", help="A network of the zoo, a built-in recipe, a .toml or .json file, or file.py:name.")
]
RecipeOption = Annotated[bool, typer.Option("--recipe", help="Where a network and a recipe have the same name, mean the recipe.")]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to standard output if it is '-'.")]


@app.command()
def backends(json_to: JsonOption = None) -> None:
    """Show which backends are installed, their versions and devices, and how to repair those that are not usable."""
    from unicnn import plugins
    from unicnn.advice import notes

    found = plugins.discover()
    if json_to is not None:
        rows = [
            {
                "name": item.name,
                "installed": item.usable,
                "version": None if item.info is None or not item.usable else item.info.version(),
                "devices": list(item.info.devices()) if item.info is not None and item.usable else [],
                "plugin": item.distribution,
                "reason": item.problem,
                "repair": item.repair,
            }
            for item in found
        ]
        terminal.write(json_to, json.dumps({"backends": rows, "notes": notes()}, indent=2))
        return
    from rich.markup import escape

    console = terminal.console()
    table = terminal.table("backend", "framework", "version", "devices", "plugin")
    for item in found:
        title = item.info.title if item.info else ""
        if item.usable and item.info is not None:
            table.add_row(
                f"[green]{escape(item.name)}[/]", escape(title), item.info.version(), ", ".join(item.info.devices()), item.distribution
            )
        else:
            table.add_row(f"[red]{escape(item.name)}[/]", escape(title), "-", "-", item.distribution)
    console.print(table)
    for item in found:
        if not item.usable:
            problem, repair = escape(str(item.problem)), escape(str(item.repair))
            console.print(f"[red]{escape(item.name)}[/] cannot be used: {problem}. To repair: [bold]{repair}[/]")
    if not found:
        console.print("No backend is installed. Install one: [bold]pip install unicnn-numpy[/]")
    for note in notes():
        console.print(f"[yellow]note:[/] {note}")


@app.command()
def show(found: FoundArgument, recipe: RecipeOption = False, json_to: JsonOption = None) -> None:
    """Show a network's layers, with output shapes, parameters and multiply-adds; or every choice of a recipe."""
    from unicnn import sources
    from unicnn.graph import infer
    from unicnn.ops.fields import by
    from unicnn.training.recipe import Recipe
    from unicnn.training.table import show as show_recipe

    described = sources.find_recipe(found) if recipe else sources.find(found)
    if isinstance(described, Recipe):
        show_recipe(described, json_to)
        return
    graph = infer(described)
    if json_to is not None:
        terminal.write(json_to, json.dumps(_graph_json(graph), indent=2))
        return
    from rich.markup import escape

    console = terminal.console()
    table = terminal.table("layer", "op", "inputs", "output", "parameters", "multiply-adds", right=2)
    previous = graph.model.inputs[0][0]
    for name, shape in graph.model.inputs:
        table.add_row(name, "Input", "", by(shape), "", "")
    for node in graph.nodes:
        inputs = "" if node.inputs == (previous,) else ", ".join(node.inputs)
        learned = sum(parameter.size for parameter in node.parameters.values() if parameter.trainable)
        table.add_row(
            node.name,
            str(node.op),
            inputs,
            by(node.shape),
            f"{learned:,}" if learned else "",
            f"{node.multiply_adds:,}" if node.multiply_adds else "",
        )
        previous = node.name
    console.print(table)
    console.print(f"[bold]{escape(graph.model.name)}[/]: {graph.size:,} parameters, {graph.multiply_adds:,} multiply-adds a sample")


def _graph_json(graph: Any) -> dict[str, Any]:
    return {
        "model": graph.model.name,
        "inputs": {name: list(shape) for name, shape in graph.model.inputs},
        "layers": [
            {
                "path": node.name,
                "op": type(node.op).__name__,
                "fields": node.op.written(),
                "inputs": list(node.inputs),
                "shape": list(node.shape),
                "parameters": {key: list(value.shape) for key, value in node.parameters.items()},
                "multiply_adds": node.multiply_adds,
            }
            for node in graph.nodes
        ],
        "parameters": graph.size,
        "multiply_adds": graph.multiply_adds,
    }


@app.command()
def compare(
    model: ModelArgument,
    backends: Annotated[str | None, typer.Option(metavar="A,B,…", help="The backends to compare; all that are usable by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    numerics: Annotated[str, typer.Option(help="native (float32), float64, or identical: the same bytes everywhere.")] = "native",
    data: Annotated[str, typer.Option(help="fashion-mnist, random, or auto: the images if they fit the input.")] = "auto",
    batch: Annotated[int, typer.Option(metavar="N", help="How many samples.")] = 16,
    gradients: Annotated[bool, typer.Option("--gradients", help="Compare the backward pass too.")] = False,
    mode: Annotated[str, typer.Option(help="inference or training.")] = "inference",
    seed: Annotated[int, typer.Option(help="Draws the initial weights.")] = 0,
    init: Annotated[str, typer.Option(help="The preset of initialisers: torch, keras or gluon.")] = "torch",
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Use the weights of a safetensors file instead.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Run a network on several backends with the same weights, and judge every layer. Exits 0 if they agree, 1 if not, 2 on bad input."""
    from unicnn.comparison import compare as run
    from unicnn.comparison.report import show as show_comparison
    from unicnn.files import load_weights
    from unicnn.sources import find_model, sample

    described = find_model(model)
    x, labels, what = sample(described, data, batch, seed)
    names = None if backends is None else [name.strip() for name in backends.split(",") if name.strip()]
    loaded = None if weights is None else load_weights(weights)
    console = terminal.console()
    with terminal.status(f"comparing {described.name} on {batch} {what}") as progress:
        result = run(
            described, x, labels if gradients else None, names, device=device, numerics=numerics,
            seed=seed, init=init, weights=loaded, mode=mode, samples=what, progress=progress,
        )  # fmt: skip
    if json_to is not None:
        terminal.write(json_to, result.to_json())
    if json_to != "-":
        show_comparison(result, console)
    raise typer.Exit(0 if result.verdict == "agree" else 1)


@app.command()
def fingerprint(
    found: FoundArgument,
    backend: Annotated[str | None, typer.Option(metavar="A,B,…", help="The backends to ask; all that are usable by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    gradients: Annotated[bool, typer.Option("--gradients", help="Take the loss and all gradients in, too.")] = False,
    batch: Annotated[int | None, typer.Option(metavar="N", help="How many samples; 16 by default.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Train so many steps of a recipe; all by default.")] = None,
    recipe: RecipeOption = False,
    numerics: Annotated[str, typer.Option(help="identical, or native to see how frameworks differ.")] = "identical",
    seed: Annotated[int, typer.Option(help="Draws the initial weights, and the order of samples of a training.")] = 0,
    json_to: JsonOption = None,
) -> None:
    """Print one SHA-256 over all that a network computes of the built-in images, or over a training on them, the same everywhere.

    Of a training by a recipe it covers weights, optimiser state, losses and metrics. Exits 1 if backends differ; for a training it then
    says at which step they part.
    """
    import dataclasses

    from unicnn import plugins, sources
    from unicnn.fingerprint import fingerprint as take
    from unicnn.training.recipe import Recipe

    described = sources.find_recipe(found) if recipe or steps is not None else sources.find(found)
    names = plugins.usable() if backend is None else [name.strip() for name in backend.split(",") if name.strip()]
    if not names:
        raise InputError("There is no backend to ask. Install one: pip install unicnn-numpy.")
    if isinstance(described, Recipe):
        from unicnn.training.fingerprint import tell

        if gradients or batch is not None:
            raise InputError("--gradients and --batch are for a network; a training has both from its recipe. Leave them out.")
        with terminal.status(f"training by {described.name}") as progress:
            shortened = described if steps is None else described.replace(steps=steps)
            raise typer.Exit(tell(shortened, names, device, numerics, seed, json_to, progress))
    batch = 16 if batch is None else batch
    x, labels, what = sources.sample(described, "auto", batch)
    taken_of = []
    with terminal.status(f"computing {described.name} on {batch} {what}") as progress:
        for name in names:
            progress(name)
            item = take(described, x, labels if gradients else None, name, device, numerics=numerics, seed=seed, samples=what)
            taken_of.append(item)
            if json_to != "-":
                taken = "outputs, loss and gradients" if gradients else "outputs"
                typer.echo(f"{item.sha256}  {item.model}, {taken} of {batch} {what}, {item.title} {item.version}, {device}")
    if json_to is not None:
        terminal.write(json_to, json.dumps([dataclasses.asdict(item) for item in taken_of], indent=2))
    raise typer.Exit(0 if len({item.sha256 for item in taken_of}) == 1 else 1)


@app.command()
def explain(
    op: Annotated[str, typer.Argument(metavar="OP", help="An op by any framework's name: Conv2d, Dense, Pooling …")],
    json_to: JsonOption = None,
) -> None:
    """Explain an op: what it means, and its name, defaults and traps in every framework."""
    import dataclasses

    from rich.padding import Padding

    from unicnn.explain import explain as look_up

    found = look_up(op)
    if json_to is not None:
        terminal.write(json_to, json.dumps(dataclasses.asdict(found), indent=2))
        return
    console = terminal.console()
    console.print(f"[bold]{found.call}[/]", highlight=False)
    console.print(found.meaning, highlight=False)
    console.print(Padding(found.formula, (1, 2)), highlight=False, markup=False)
    table = terminal.table("framework", "name and defaults")
    for row in found.rows:
        table.add_row(row.framework.title, row.call or f"[dim]none:[/] {row.instead}")
    console.print(table)
    for row in found.rows:
        for trap in row.traps:
            seen = f" [dim](verified on {trap.verified_on})[/]" if trap.verified_on else f" [dim]({trap.source})[/]"
            console.print(f"[yellow]{row.framework.title}:[/] {trap.text}{seen}", highlight=False)


def _add_commands() -> None:
    from unicnn.conformance.command import conformance
    from unicnn.conformance.fuzzing.command import fuzz
    from unicnn.porting.command import port, verify
    from unicnn.porting.difference.command import diff
    from unicnn.training.command import train

    app.command()(train)
    app.command()(diff)
    app.command()(port)
    app.command()(verify)
    app.command()(conformance)
    app.command()(fuzz)


_add_commands()


def main() -> None:
    """Run the command line; an error that unicnn explains is one paragraph on standard error and exit code 2."""
    try:
        app()
    except UnicnnError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None
    except OSError as error:  # the disk behind standard output is full, say
        typer.echo(f"The output cannot be written ({error.strerror or error}).", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
