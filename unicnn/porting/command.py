"""The commands `unicnn port` and `unicnn verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unicnn import terminal
from unicnn.errors import PortError


def port(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="net.py:net, model.onnx, model-symbol.json, net.toml, or a network of the zoo.")
    ],
    to: Annotated[str, typer.Option(metavar="DIALECT", help="torch, keras, gluon, numpy, jax or onnx.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The source file to write.")],
    input: Annotated[
        str | None, typer.Option(metavar="N,C,H,W", help="The input's shape, as the original takes it; not needed if it says so itself.")
    ] = None,
    params: Annotated[Path | None, typer.Option(metavar="FILE", help="The weights that belong to the network: .params, .pt.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the weights; beside the source by default.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="Write a training loop, too: a built-in recipe or a file.")] = None,
    style: Annotated[str | None, typer.Option(metavar="STYLE", help="How to write it, such as class or sequential.")] = None,
    inference_only: Annotated[bool, typer.Option("--inference-only", help="Leave out what the network does in training only.")] = False,
    proof: Annotated[bool, typer.Option("--proof/--no-proof", help="Run the port and compare it with the original.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    python: Annotated[Path | None, typer.Option(metavar="FILE", help="The interpreter of another environment, to run the port in.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the inputs of the proof.")] = 0,
) -> None:
    """Write a network as source of another framework, with its weights, and prove that both compute the same.

    Exits 0 if the port is proven, 1 if not (the files are kept), 2 on bad input.
    """
    from unicnn import plugins
    from unicnn.porting.emitting import emit
    from unicnn.porting.finding import find_network, parse_shapes
    from unicnn.sources import find_recipe

    plugins.dialect(to)
    files = _Files(output, weights or output.with_suffix(".safetensors"), output.with_suffix(".certificate.json"))
    files.check(network, force)
    described = None if recipe is None else find_recipe(recipe)
    shapes = None if input is None else parse_shapes(input)
    with terminal.status(f"porting {network}") as progress:
        progress("reading")
        original = find_network(network, shapes, params=params, training=not inference_only)
        progress("writing")
        text = emit(original, to, style=style, recipe=described)
        held = files.write(text, original)
        if not proof:
            _tell_written(files, original)
            return
        from unicnn.porting.proof import verify

        certificate = verify(
            original, output, to=to, recipe=described, weights=held, training=not inference_only, seed=seed, python=python,
            progress=progress,
        )  # fmt: skip
    terminal.write(str(files.certificate), certificate.to_json())
    from unicnn.porting.proof.report import show

    show(certificate, terminal.console())
    _tell_written(files, original)
    raise typer.Exit(0 if certificate.proven else 1)


def verify(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="The original, as for port.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The port: source that defines a network and load_weights.")],
    to: Annotated[str, typer.Option(metavar="DIALECT", help="What the port is written in: torch, keras, gluon, numpy, jax or onnx.")],
    input: Annotated[str | None, typer.Option(metavar="N,C,H,W", help="The input's shape, as the original takes it.")] = None,
    params: Annotated[Path | None, typer.Option(metavar="FILE", help="The weights that belong to the original: .params, .pt.")] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="NAME", help="What makes the network in FILE; the original's name by default.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="Compare 20 training steps by a recipe, too.")] = None,
    inference_only: Annotated[bool, typer.Option("--inference-only", help="Leave out what the network does in training only.")] = False,
    python: Annotated[Path | None, typer.Option(metavar="FILE", help="The interpreter of another environment, to run the port in.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the inputs of the proof.")] = 0,
    json_to: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the certificate to FILE, or '-'.")] = None,
) -> None:
    """Prove, or refute, that a port computes what the original does: one that was edited, or written by hand. Exits 0, 1, or 2 on bad input."""
    from unicnn.porting.finding import find_network, parse_shapes
    from unicnn.porting.proof import verify as prove
    from unicnn.porting.proof.report import show
    from unicnn.sources import find_recipe

    if not file.is_file():
        raise PortError(f"{file}: there is no such file. Give the source of the port.")
    described = None if recipe is None else find_recipe(recipe)
    with terminal.status(f"verifying {file}") as progress:
        progress("reading")
        shapes = None if input is None else parse_shapes(input)
        original = find_network(network, shapes, params=params, training=not inference_only)
        certificate = prove(
            original, file, to=to, entry=entry, recipe=described, training=not inference_only, seed=seed, python=python, progress=progress,
        )  # fmt: skip
    if json_to is not None:
        terminal.write(json_to, certificate.to_json())
    if json_to != "-":
        show(certificate, terminal.console())
    raise typer.Exit(0 if certificate.proven else 1)


class _Files:
    """Be the files that a port consists of; nothing is written before everything that could be wrong has been looked at."""

    def __init__(self, source: Path, weights: Path, certificate: Path) -> None:
        self.source, self.weights, self.certificate = source, weights, certificate

    def check(self, network: str, force: bool) -> None:
        """Raise PortError if a file would be lost or cannot be written."""
        named = Path(network.partition(".py:")[0] + ".py" if ".py:" in network else network)
        for path in (self.source, self.weights, self.certificate):
            if not path.resolve().parent.is_dir():
                raise PortError(f"{path}: there is no folder {path.parent}. Make it first, or write elsewhere.")
            if named.exists() and path.exists() and path.samefile(named):
                raise PortError(f"{path}: is the network itself, and the port would replace it. Write to another file with -o.")
            if path.exists() and not force:
                raise PortError(f"{path}: exists already. Give another name with -o, or --force to replace it.")

    def write(self, text: str, original: Any) -> Any:
        """Write source and weights; return the weights."""
        from unicnn.files import save_weights
        from unicnn.graph import infer
        from unicnn.initializers import initial_weights
        from unicnn.model import Model

        held = initial_weights(infer(original), 0, "torch") if isinstance(original, Model) else original.weights
        try:
            self.source.write_text(text, encoding="utf-8")
        except OSError as error:
            raise PortError(f"{self.source}: cannot be written ({error.strerror}). Choose another file.") from None
        save_weights(held, self.weights)
        return held


def _tell_written(files: _Files, original: Any) -> None:
    console = terminal.console()
    lines = len(files.source.read_text(encoding="utf-8").splitlines())
    console.print(f"Wrote {files.source} ({lines} lines) and {files.weights}.", highlight=False, markup=False)
    for note in getattr(original, "notes", ()):
        console.print(f"[yellow]note:[/] {note}", highlight=False)
