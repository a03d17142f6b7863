"""Pictures of a training, for a paper: how the loss fell, and what the network says about test images.

Drawn without pyplot, in a style of their own, so that they look the same in every program and on every machine; the same training
gives the same SVG, with text as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from unicnn.errors import InputError
from unicnn.ops.loss import CrossEntropy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from unicnn.training.history import History
    from unicnn.training.recipe import Recipe
    from unicnn.training.run import Run

Array: TypeAlias = np.ndarray[Any, Any]

# Two of the colours of Okabe and Ito, which all colour-blind people tell apart; where colour says something, so does a shape or a weight.
BLUE, RED, GREY, LIGHT = "#0072B2", "#D55E00", "#555555", "#9ECAE1"
COLUMNS, ROWS = 8, 3

_STYLE: Any = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "axes.grid": True, "grid.color": "#E6E6E6", "grid.linewidth": 0.5, "axes.axisbelow": True, "legend.frameon": False, "legend.handlelength": 2.6,
    "lines.linewidth": 1.3, "lines.markersize": 3.5, "path.simplify": True,
    "savefig.dpi": 200, "svg.fonttype": "none", "svg.hashsalt": "unicnn",
}  # fmt: skip


def curve(history: History, path: str | Path, title: str = "", recipe: Recipe | None = None) -> None:
    """Draw a history to path.svg and path.png: the loss of each step and its epoch means, and the accuracy by epoch.

    The recipe says what the loss is; without one it is the cross-entropy.
    """
    losses = _per_image(history)
    if not len(losses):
        raise InputError("The history is empty, and there is no curve to draw. Train for at least one step.")
    with _figure(7.0 if _metric(history) else 3.6, 2.5) as (figure, save):
        left, *rest = figure.subplots(1, 2 if _metric(history) else 1, squeeze=False)[0]
        _draw_loss(left, history, losses, recipe)
        for axes in rest:
            _draw_metric(axes, history, _metric(history))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=8, color=GREY)
        save(path)


def _per_image(history: History) -> Array:
    losses = np.array(history.losses)
    return losses / np.array(history.steps.samples) if history.steps.reduction == "sum" else losses


def _metric(history: History) -> str:
    """Return the metric that is drawn, the first, or nothing if there is none."""
    return next(iter(history.epochs[0].metrics), "") if history.epochs else ""


def _draw_loss(axes: Axes, history: History, losses: Array, recipe: Recipe | None) -> None:
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color=LIGHT, linewidth=0.5, label="training, each step")
    ends = [epoch.step for epoch in history.epochs]
    # A mean belongs to the middle of what it is a mean of.
    begins = [0, *ends[:-1]]
    means = [losses[first:last].mean() for first, last in zip(begins, ends, strict=True)]
    if history.steps.reduction == "mean":
        means = [epoch.loss for epoch in history.epochs]
    middles = [(first + last + 1) / 2 for first, last in zip(begins, ends, strict=True)]
    axes.plot(middles, means, "o-", color=BLUE, label="training, mean of an epoch")
    tested = [(epoch.step, epoch.test_loss) for epoch in history.epochs if epoch.test_loss is not None]
    # The mean of what whole test batches sum up to is no loss of an image.
    of_batches = history.steps.reduction == "sum" and recipe is not None and recipe.averaging == "batches"
    if tested and not of_batches:
        axes.plot(*zip(*tested, strict=True), "s--", color=RED, label="test")
    axes.set_xlabel("training step")
    axes.set_ylabel("loss per image" + (" (nats)" if recipe is None or isinstance(recipe.loss, CrossEntropy) else ""))
    axes.set_xlim(0, len(losses) * 1.02)
    # What begins a thousand times above where it ends would be a corner on a linear axis.
    if losses.min() > 0 and losses.max() > 30 * np.median(losses):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.legend()


def _draw_metric(axes: Axes, history: History, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [epoch.number + 1 for epoch in history.epochs]
    axes.plot(numbers, [100 * epoch.metrics[name] for epoch in history.epochs], "o-", color=BLUE, label="training, during the epoch")
    tested = [(epoch.number + 1, 100 * epoch.test_metrics[name]) for epoch in history.epochs if epoch.test_metrics]
    if tested:
        axes.plot(*zip(*tested, strict=True), "s--", color=RED, label="test, after the epoch")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{name.replace('_', ' ')} (%)")
    axes.set_xlim(0.5, max(numbers) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.legend()


def predictions(run: Run, path: str | Path, count: int = ROWS * COLUMNS) -> bool:
    """Draw the first test images with their predicted and their true class to path.svg and path.png, wrong ones in red.

    Return whether there is anything to draw: test images of one or three channels, with class labels.
    """
    split = run.test
    if split is None or not run.recipe.metrics:
        return False
    chosen = np.arange(min(count, len(split)))
    x, labels = split.batch(chosen)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        return False
    _, scores = run.program.evaluate(x.astype(run.program.numerics.dtype, copy=False), labels, run.recipe.loss)
    guesses = scores.argmax(axis=1)
    names = split.classes or tuple(map(str, range(int(max(guesses.max(), labels.max())) + 1)))
    rows = -(-len(chosen) // COLUMNS)
    width, height = 7.0, 0.42 + 1.12 * rows
    with _figure(width, height, layout=None) as (figure, save):
        edges = {"left": 0.04 / width, "right": 1 - 0.04 / width, "bottom": 0.2 / height, "top": 1 - 0.4 / height}
        grid = figure.subplots(rows, COLUMNS, squeeze=False, gridspec_kw={**edges, "wspace": 0.1, "hspace": 0.45})
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image, guess, label in zip(grid.flat, split.images[chosen], guesses, labels.astype(int), strict=False):
            _draw_image(axes, image, names[guess], names[label])
        right = int((guesses == labels).sum())
        figure.suptitle(
            f"predicted class above, true class below; {right} of {len(chosen)} are right, the others are framed",
            y=1 - 0.04 / height, fontsize=8, color=GREY,
        )  # fmt: skip
        save(path)
    return True


def _draw_image(axes: Axes, image: Array, guess: str, label: str) -> None:
    wrong = guess != label
    pixels = image if image.ndim == 2 else np.moveaxis(image, 0, -1).squeeze()
    axes.set_axis_on()
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.imshow(_bytes(pixels), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for spine in axes.spines.values():
        spine.set(visible=wrong, color=RED, linewidth=2)
    axes.set_title(guess, fontsize=7, pad=3, color=RED if wrong else "black", fontweight="bold" if wrong else "normal")
    axes.set_xlabel(label, fontsize=7, labelpad=3, color=GREY)


def _bytes(pixels: Array) -> Array:
    """Return pixels from 0 to 255, whatever their scale."""
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    return ((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


@contextmanager
def _figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Iterator[tuple[Figure, Any]]:
    """Give a figure of this size in inches, and a function that saves it as .svg and .png; the style ends with the block."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(f"The pictures cannot be drawn ({error}). Repair it: pip install --force-reinstall matplotlib.") from None

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a matplotlibrc of the user's would change the picture
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height), layout=layout)
        FigureCanvasAgg(figure)

        def save(path: str | Path) -> None:
            try:
                figure.savefig(f"{path}.svg", metadata={"Date": None})
                figure.savefig(f"{path}.png", metadata={"Software": None})
            except OSError as error:
                raise InputError(f"{path}: the picture cannot be written ({error.strerror}). Choose another folder.") from None

        yield figure, save
