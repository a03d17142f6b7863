"""Pictures of a training: what they show, that they are the same each time, and that drawing leaves nothing behind."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import InputError
from unicnn.training.history import Epoch, History, Tally
from unicnn.training.pictures import BLUE, LIGHT, RED, curve, predictions
from unicnn.training.run import Run

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def history(
    losses: list[float], each: int, *, reduction: str = "mean", test: bool = True, metric: str = "accuracy", batch: int = 4
) -> History:
    """Return a history with an epoch each `each` steps, of accuracies 0.25, 0.5 and so on."""
    epochs = []
    for number, end in enumerate(range(each, len(losses) + 1, each)):
        share = 0.25 * (number + 1)
        tested: dict[str, Any] = {"test_loss": losses[end - 1], "test_metrics": {metric: share / 2}} if test else {}
        epochs.append(Epoch(number, end, 0.1, float(np.mean(losses[end - each : end])), {metric: share}, **tested))
    return History(Tally(reduction, losses, [batch] * len(losses), {metric: [0] * len(losses)}), epochs)


FALLING = [2.0, 1.5, 1.0, 0.5, 0.4, 0.3]


def svg(path: Path) -> str:
    return path.with_suffix(".svg").read_text(encoding="utf-8")


def words(text: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", text)


def png_size(path: Path) -> tuple[int, int]:
    content = path.with_suffix(".png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def lines(text: str, colour: str) -> list[list[tuple[float, float]]]:
    """Return the points of each line of a colour, in the picture's own units, y downwards."""
    found = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: none;[^"]*stroke: {colour.lower()}', text)
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path)] for path in found]


class TestCurve:
    def test_labels_its_axes_and_lines_with_text(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2), tmp_path / "curve", "lenet on NumPy")
        found = words(svg(tmp_path / "curve"))
        wanted = [
            "lenet on NumPy", "training step", "loss per image (nats)", "training, each step", "training, mean of an epoch", "test", "epoch",
            "accuracy (%)", "training, during the epoch", "test, after the epoch",
        ]  # fmt: skip
        assert [word for word in wanted if word not in found] == []

    def test_is_as_wide_as_a_page_and_sharp(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2), tmp_path / "curve")
        assert png_size(tmp_path / "curve") == (1400, 500)

    def test_draws_every_step_and_the_mean_of_each_epoch_in_its_middle(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2), tmp_path / "curve")
        text = svg(tmp_path / "curve")
        (steps,) = [line for line in lines(text, LIGHT) if len(line) == 6]
        means = next(line for line in lines(text, BLUE) if len(line) == 3)
        for place in range(3):
            first, second = steps[2 * place], steps[2 * place + 1]
            assert means[place] == pytest.approx(((first[0] + second[0]) / 2, (first[1] + second[1]) / 2), abs=1e-3)
        assert [y for _, y in steps] == sorted(y for _, y in steps)

    def test_draws_a_summed_loss_per_image(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2, test=False), tmp_path / "mean")
        curve(history([4 * loss for loss in FALLING], 2, reduction="sum", test=False), tmp_path / "sum")
        assert lines(svg(tmp_path / "sum"), BLUE) == lines(svg(tmp_path / "mean"), BLUE)
        assert lines(svg(tmp_path / "sum"), LIGHT) == lines(svg(tmp_path / "mean"), LIGHT)

    def test_has_no_test_line_without_a_test(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2, test=False), tmp_path / "curve")
        assert RED.lower() not in svg(tmp_path / "curve")
        assert not any("test" in word for word in words(svg(tmp_path / "curve")))

    def test_has_no_test_line_of_what_whole_batches_sum_up_to(self, tmp_path: Path) -> None:
        recipe = un.Recipe(optimizer=un.SGD(0.1), batch_size=4, epochs=3, loss=un.CrossEntropy("sum"), averaging="batches")
        curve(history(FALLING, 2, reduction="sum"), tmp_path / "curve", recipe=recipe)
        assert "test" not in words(svg(tmp_path / "curve"))
        assert "test, after the epoch" in words(svg(tmp_path / "curve"))

    def test_names_the_metric_that_there_is(self, tmp_path: Path) -> None:
        curve(history(FALLING, 2, metric="top_5"), tmp_path / "curve")
        assert "top 5 (%)" in words(svg(tmp_path / "curve"))

    def test_has_one_panel_without_metrics_and_no_unit_without_one(self, tmp_path: Path) -> None:
        plain = History(Tally("mean", FALLING, [4] * 6), [Epoch(0, 6, 0.1, 1.0, {})])
        curve(plain, tmp_path / "curve", recipe=un.Recipe(optimizer=un.SGD(0.1), batch_size=4, epochs=1, loss="squared_error"))
        assert "loss per image" in words(svg(tmp_path / "curve"))
        assert "epoch" not in words(svg(tmp_path / "curve"))
        assert png_size(tmp_path / "curve")[0] == 720

    @pytest.mark.parametrize(
        ("losses", "logarithmic"), [(FALLING, False), ([11632.0, 5.0, *[2.3] * 10], True), ([9.0, 0.0, *[0.1] * 10], False)],
        ids=["a-fall", "a-cliff", "a-zero"],
    )  # fmt: skip
    def test_is_logarithmic_only_where_all_else_would_be_flat(self, tmp_path: Path, losses: list[float], logarithmic: bool) -> None:
        curve(history(losses, len(losses)), tmp_path / "curve")
        assert ("mathdefault{10^" in svg(tmp_path / "curve")) == logarithmic

    def test_of_one_step_is_drawn(self, tmp_path: Path) -> None:
        curve(history([2.3], 1), tmp_path / "curve")
        assert (tmp_path / "curve.png").stat().st_size > 5000

    def test_of_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="history is empty"):
            curve(History(Tally("mean")), tmp_path / "curve")

    def test_that_cannot_be_written_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot be written \(No such file"):
            curve(history(FALLING, 2), tmp_path / "missing" / "curve")


@pytest.fixture
def always_dress() -> Run:
    """Return a run, not begun, whose network says Dress to everything."""
    model = un.Sequential([un.Flatten(), un.Linear(10)], input=(1, 28, 28))
    recipe = un.Recipe(un.Data("fashion-mnist", source="embedded", train=32, test=30), optimizer=un.SGD(0.1), batch_size=16, epochs=1)
    bias = np.zeros(10, np.float32)
    bias[3] = 1
    return Run(model, recipe, weights={"linear1.weight": np.zeros((10, 784), np.float32), "linear1.bias": bias})


class TestPredictions:
    def test_name_the_class_predicted_and_the_true_one(self, always_dress: Run, tmp_path: Path) -> None:
        assert predictions(always_dress, tmp_path / "predictions")
        found = words(svg(tmp_path / "predictions"))
        assert always_dress.test is not None
        true = [NAMES[label] for label in always_dress.test.targets[:24]]
        assert sorted(word for word in found if word in NAMES) == sorted(["Dress"] * 24 + true)
        assert any(f"{true.count('Dress')} of 24 are right" in word for word in found)

    def test_mark_the_wrong_ones_alone(self, always_dress: Run, tmp_path: Path) -> None:
        predictions(always_dress, tmp_path / "predictions")
        text = svg(tmp_path / "predictions")
        assert always_dress.test is not None
        wrong = int((always_dress.test.targets[:24] != 3).sum())
        assert 0 < wrong < 24
        assert len(re.findall(rf"stroke: {RED.lower()}", text)) == 4 * wrong  # the sides of a frame
        marked = re.findall(r"<text style=\"([^\"]*)\"[^>]*>Dress</text>", text)
        assert sum(RED.lower() in style for style in marked) == wrong

    @pytest.mark.parametrize(("count", "height"), [(24, 756), (16, 532), (9, 532), (3, 308)])
    def test_fill_rows_of_eight(self, always_dress: Run, tmp_path: Path, count: int, height: int) -> None:
        predictions(always_dress, tmp_path / "predictions", count)
        assert png_size(tmp_path / "predictions") == (1400, height)
        assert svg(tmp_path / "predictions").count("<image") == count

    @pytest.mark.parametrize(
        "shape", [pytest.param((1, 6, 6), id="grey"), pytest.param((3, 6, 6), id="in-colour"), pytest.param((2, 6, 6), id="neither")]
    )
    def test_of_arrays_have_numbers_for_names(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        model = un.Sequential([un.Flatten(), un.Linear(4)], input=shape)
        x, labels = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32), np.arange(12) % 4
        run = Run(model, un.Recipe(optimizer=un.SGD(0.1), batch_size=4, epochs=1), data=(x, labels, x, labels))
        assert predictions(run, tmp_path / "predictions") == (shape[0] != 2)
        if shape[0] != 2:
            assert sum(word in ("0", "1", "2", "3") for word in words(svg(tmp_path / "predictions"))) == 24

    def test_need_test_images_with_labels(self, tmp_path: Path) -> None:
        model = un.Sequential([un.Linear(2)], input=(3,))
        x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
        recipe = un.Recipe(optimizer=un.SGD(0.1), batch_size=2, epochs=1, loss="squared_error")
        assert not predictions(Run(model, recipe, data=(x, y, x, y)), tmp_path / "predictions")
        labels = np.zeros(4, np.int64)
        assert not predictions(
            Run(model, recipe.replace(loss="cross_entropy", metrics=("accuracy",)), data=(x, labels)), tmp_path / "predictions"
        )
        assert list(tmp_path.iterdir()) == []


DRAW = """
import sys
from unicnn.training.history import Epoch, History, Tally
from unicnn.training.pictures import curve

curve(History(Tally("mean", [2.0, 1.0], [4, 4]), [Epoch(0, 2, 0.1, 1.5, {"accuracy": 0.5})]), sys.argv[1])
print("matplotlib.pyplot" in sys.modules)
"""


class TestDrawing:
    def test_twice_gives_the_same_bytes_and_no_date(self, tmp_path: Path) -> None:
        for name in ("first", "second"):
            curve(history(FALLING, 2), tmp_path / name)
        assert svg(tmp_path / "first") == svg(tmp_path / "second")
        assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
        assert "<dc:date>" not in svg(tmp_path / "first")

    def test_in_another_process_with_other_settings_gives_the_same_bytes_without_pyplot(self, tmp_path: Path) -> None:
        told = []
        for name, settings in (("plain", ""), ("set", "font.size: 30\nlines.linewidth: 9\nsvg.fonttype: path\n")):
            (tmp_path / "matplotlibrc").write_text(settings, encoding="utf-8")
            told.append(subprocess.run([sys.executable, "-c", DRAW, name], cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
        assert told == ["False\n"] * 2
        assert svg(tmp_path / "plain") == svg(tmp_path / "set")

    def test_leaves_the_settings_of_others_alone(self, tmp_path: Path) -> None:
        import matplotlib

        before = dict(matplotlib.rcParams)
        curve(history(FALLING, 2), tmp_path / "curve")
        assert dict(matplotlib.rcParams) == before
