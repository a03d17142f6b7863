"""The texts of a comparison: a table for a terminal, and the verdict in words."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from unicnn.ops.fields import by

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from unicnn.comparison.result import Comparison, Row

ADVICE = {
    "Conv2d": "the side on which an odd pixel of padding goes, the order of groups, and whether the kernel is flipped",
    "ConvTranspose2d": "the crop on each side, the output padding, and the order of the weight's first two axes",
    "MaxPool2d": "the padding (it must count as -inf), ceil mode, and which of two equal maxima gets the gradient",
    "AvgPool2d": "whether padding counts in the divisor, and ceil mode",
    "AdaptiveAvgPool2d": "where the windows begin and end when sizes do not divide",
    "Linear": "the order of the flattened axes, and whether the weight is (out, in) or (in, out)",
    "BatchNorm2d": "eps (1e-5 or 1e-3), whether the batch's or the running statistics are used, and biased or unbiased variance",
    "LayerNorm": "eps, and the axes that are normalised",
    "Flatten": "the order of the axes: channels, height, width",
    "GELU": "the exact or the tanh formula",
    "LeakyReLU": "the slope; frameworks have four different defaults",
    "Hardsigmoid": "the slope: 1/6 or 0.2",
    "Softmax": "the axis",
    "CrossEntropy": "raw scores against probabilities, and mean against sum",
}


def conclude(result: Comparison) -> str:
    """Return the verdict in words: what was found, and where to look."""
    names = ", ".join(item.name for item in result.backends)
    what = "every layer and every gradient" if result.gradients else "every layer"
    row = result.culprit
    if row is None:
        bytewise = " and has the same bytes" if any(row.digests for row in result.layers) else ""
        worst = max((j.bound_ratio for item in (*result.layers, *result.gradients) for j in item.judgements.values()), default=0.0)
        if len(result.backends) == 1:
            return f"{names} computes {what} as described: the largest error is {worst:.2g} of what rounding allows."
        return f"agree: on {names}, {what} is within rounding{bytewise}; the largest error is {worst:.2g} of what rounding allows."
    if not row.diverged:
        kind = "gradient" if row in result.gradients else "layer"
        return (
            f"not identical: the first {kind} whose bytes differ is {row.path} ({row.op}), on {', '.join(row.odd)}. Its error is within rounding, "
            "so what it means is right and how it adds up is not: look at that backend's float64 functions and its primitives."
        )
    wrong = ", ".join(row.diverged)
    kind = "gradient" if row in result.gradients else "layer"
    judgement = row.judgements[row.diverged[0]]
    looks = f" There, {judgement.looks_like}." if judgement.looks_like else ""
    advice = f" Look at {ADVICE[row.op]}." if row.op in ADVICE else ""
    return (
        f"diverged: the first {kind} whose error is not rounding is {row.path} ({row.op}) on {wrong}, "
        f"at {judgement.bound_ratio:.3g} times the bound.{looks}{advice}"
    )


def as_text(result: Comparison, width: int = 110) -> str:
    """Return the comparison as plain text."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None)
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def show(result: Comparison, console: Console) -> None:
    """Print the comparison."""
    for part in parts(result):
        console.print(part)


def parts(result: Comparison) -> Iterable[RenderableType]:
    """Yield what a comparison shows, in order."""
    from rich.markup import escape

    versions = ", ".join(f"{item.title} {item.version}" for item in result.backends)
    device = result.backends[0].device
    yield f"{escape(result.model)} on {result.batch} {result.samples}, {result.numerics} numerics, {device}: {versions}"
    for item in result.absent:
        yield f"[yellow]without {item.name}:[/] {escape(item.reason)}. To repair: {escape(item.repair)}"
    yield ""
    yield "[bold]Error of each layer's output, as a share of what rounding allows (above 1 it is a mistake)[/]"
    yield _rows_table(result.layers, result)
    if result.gradients:
        yield "[bold]Error of each gradient, likewise, from the loss back to the input[/]"
        yield _rows_table(result.gradients, result)
    if result.pairs:
        yield "[bold]Outputs of two backends, end to end: the largest difference, and the share of elements that differ[/]"
        yield _pairs_table(result)
    colour = "green" if result.verdict == "agree" else "red"
    yield f"[bold {colour}]{escape(result.conclusion)}[/]"


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _rows_table(rows: tuple[Row, ...], result: Comparison) -> Table:
    table = _table()
    table.add_column("layer", no_wrap=True)
    table.add_column("op", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for item in result.backends:
        table.add_column(item.name, justify="right", no_wrap=True)
    table.add_column("ulps", justify="right", no_wrap=True)  # of the layer's largest value
    table.add_column("inexact", justify="right", no_wrap=True)
    bitwise = any(row.digests for row in rows)
    if bitwise:
        table.add_column("bytes", no_wrap=True)
    for row in rows:
        ratios = [_ratio(row.judgements[item.name].bound_ratio) for item in result.backends]
        ulps = max(judgement.scaled_ulp for judgement in row.judgements.values())
        differs = max(judgement.differs for judgement in row.judgements.values())
        bytes_ = [f"[bold red]{', '.join(row.odd)} differs[/]" if row.odd else "same"] if bitwise else []
        table.add_row(row.path, row.op, by(row.shape), *ratios, _count(ulps), f"{differs:.0%}" if differs else "-", *bytes_)
    return table


def _ratio(ratio: float) -> str:
    if ratio == 0:
        return "exact"
    text = f"{ratio:.2g}" if 1e-3 <= ratio < 1e3 else f"{ratio:.0e}"
    return f"[bold red]{text}[/]" if ratio > 1 else text


def _count(value: float) -> str:
    if value == 0 or math.isinf(value):
        return "-" if value == 0 else "inf"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}" if value < 1e6 else f"{value:.0e}"


def _pairs_table(result: Comparison) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    for item in result.backends[1:]:
        table.add_column(item.name, justify="right", no_wrap=True)
    cells = {(pair.first, pair.second): pair for pair in result.pairs}
    for item in result.backends[:-1]:
        row = []
        for other in result.backends[1:]:
            pair = cells.get((item.name, other.name))
            row.append("" if pair is None else "identical" if not pair.differs else f"{pair.largest:.1e}, {pair.differs:.0%}")
        table.add_row(item.name, *row)
    return table
