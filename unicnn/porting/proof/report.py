"""A certificate on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from unicnn import terminal
from unicnn.ops.fields import by
from unicnn.porting.proof.certificate import Certificate, Row


def show(certificate: Certificate, console: Console) -> None:
    """Print a certificate: a row for each layer and gradient, the training, and the verdict."""
    title = f"{certificate.network}: {certificate.original} original, {certificate.port} port {certificate.file}"
    console.print(f"[bold]{escape(title)}[/]", highlight=False)
    if certificate.outputs:
        table = terminal.table("array", "op", "shape", "float64", "float32 / bound", right=2)
        for row in (*certificate.layers, *certificate.gradients):
            table.add_row(*_cells(row))
        console.print(table)
        console.print(_training(certificate), highlight=False)
    for note in certificate.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
    colour = "green" if certificate.proven else "red"
    console.print(f"[{colour}]{escape(certificate.verdict)}[/]", highlight=False)


def _cells(row: Row) -> tuple[str, ...]:
    mark = "" if row.agrees else "[red]"
    apart = "not seen" if row.float64 is None else "equal" if row.float64 == 0 else f"{row.float64:.1e}"
    bounds = "" if row.bounds is None else f"{row.bounds[0]:.2f}, {row.bounds[1]:.2f}"
    return (f"{mark}{escape(row.name)}", escape(row.op), by(row.shape), f"{mark}{apart}", f"{mark}{bounds}")


def _training(certificate: Certificate) -> str:
    training = certificate.training
    if training.skipped is not None:
        return escape(f"training: not compared, {training.skipped}.")
    return (
        f"training: {training.steps} steps in float64, losses {training.losses:.1e} apart and weights {training.weights:.1e} "
        f"(they moved by {training.moved:.1e})."
    )
