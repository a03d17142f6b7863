"""A run: what it counts, when it tells, where it stops, and that it goes on from there as if it had not."""

from __future__ import annotations

import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import CheckpointError, InputError, TrainingError
from unicnn.training import checkpoint
from unicnn.training.run import Run

MODEL = un.Sequential(
    [un.Conv2d(4, 5, stride=3), un.BatchNorm2d(), un.ReLU(), un.Flatten(), un.Dropout(0.3), un.Linear(10)], input=(1, 28, 28), name="net"
)
DATA = un.Data("fashion-mnist", source="embedded", train=70, test=30)
RECIPE = un.Recipe(DATA, optimizer=un.Adam(0.01), batch_size=16, epochs=3)
"""Five steps an epoch, the last of six samples; batch norm, dropout and Adam all keep something between steps."""


def run(recipe: un.Recipe = RECIPE, **options: Any) -> Run:
    return Run(MODEL, recipe, **{"numerics": "identical", **options})


def done(recipe: un.Recipe = RECIPE, **options: Any) -> Run:
    made = run(recipe, **options)
    made.go()
    return made


class TestStopping:
    @pytest.mark.parametrize("step", [1, 4, 5, 7, 14], ids=lambda step: f"after-step-{step}")
    def test_after_any_step_and_going_on_gives_the_same_bytes(self, tmp_path: Path, step: int) -> None:
        first = run()
        first.folder = tmp_path

        def stop(run: Run) -> None:
            if run.steps == step:
                os.kill(os.getpid(), signal.SIGINT)

        first.on_step = stop
        with pytest.raises(KeyboardInterrupt):
            first.go()
        assert (first.steps, checkpoint.saved(tmp_path)[-1]) == (step, step)
        second = run()
        assert second.resume(tmp_path) == ()
        second.go()
        assert second.sha256() == done().sha256()

    def test_gives_ctrl_c_back_as_it_was(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        done()
        assert signal.getsignal(signal.SIGINT) is before

    def test_leaves_signals_alone_outside_the_main_thread(self) -> None:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(done().sha256()))
        thread.start()
        thread.join()
        assert found == [done().sha256()]

    @pytest.mark.parametrize("length", [{"steps": 7}, {"steps": 10}, {"epochs": 1}], ids=["in-an-epoch", "at-its-end", "early"])
    def test_by_a_shorter_recipe_can_be_gone_on_from(self, tmp_path: Path, length: Any) -> None:
        un.train(MODEL, RECIPE.replace(**length), numerics="identical", out=tmp_path)
        history, program = un.train(MODEL, RECIPE, numerics="identical", out=tmp_path, resume=True)
        whole = done()
        assert [epoch.step for epoch in history.epochs] == [5, 10, 15]
        assert history.losses == whole.history.losses
        assert all((array == program.weights()[name]).all() for name, array in whole.program.weights().items())

    def test_counts_the_speed_of_an_epoch_from_where_it_went_on(self, tmp_path: Path) -> None:
        un.train(MODEL, RECIPE.replace(steps=4), out=tmp_path)
        again = Run(MODEL, RECIPE.replace(steps=5))
        again.resume(tmp_path)
        again.step()
        assert again.images_per_second == 6 / again.seconds


class TestCheckpoints:
    @pytest.mark.parametrize(
        ("every", "steps"), [(None, {5, 10, 15}), (2, {2, 4, 5, 6, 8, 10, 12, 14, 15}), (100, {5, 10, 15})], ids=["epochs", "every-2", "every-100"]
    )  # fmt: skip
    def test_are_written_after_each_epoch_and_each_so_many_steps(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int | None, steps: set[int]
    ) -> None:
        written, save = [], checkpoint.save

        def kept(found: checkpoint.Checkpoint, folder: Path) -> Path:
            written.append(found.step)
            return save(found, folder)

        monkeypatch.setattr(checkpoint, "save", kept)
        un.train(MODEL, RECIPE, out=tmp_path, every=every)
        assert written == sorted(steps)

    def test_of_a_training_are_not_displaced_by_another(self, tmp_path: Path) -> None:
        un.train(MODEL, RECIPE, out=tmp_path)
        with pytest.raises(CheckpointError, match=r"holds a training already, whose last checkpoint is of step 15.*resume"):
            un.train(MODEL, RECIPE, out=tmp_path)

    def test_need_a_folder_to_resume_from(self) -> None:
        with pytest.raises(InputError, match="resume=True needs out"):
            un.train(MODEL, RECIPE, resume=True)

    @pytest.mark.parametrize(
        ("changed", "where"),
        [
            pytest.param({"seed": 1}, "its seed is not this one's", id="seed"),
            pytest.param({"numerics": "native"}, "its numerics is not this one's", id="numerics"),
            pytest.param({"recipe": RECIPE.replace(batch_size=8)}, "recipe is not this one's in batch_size", id="batch-size"),
            pytest.param({"recipe": RECIPE.replace(optimizer=un.Adam(0.02))}, "recipe is not this one's in optimizer in learning_rate", id="learning-rate"),
        ],
    )  # fmt: skip
    def test_of_another_training_are_refused(self, tmp_path: Path, changed: Any, where: str) -> None:
        un.train(MODEL, RECIPE.replace(steps=1), numerics="identical", out=tmp_path)
        with pytest.raises(CheckpointError, match=where):
            run(**changed).resume(tmp_path)


class TestTelling:
    def test_comes_after_each_step_and_each_epoch(self) -> None:
        steps, epochs = [], []
        un.train(MODEL, RECIPE, on_step=lambda run: steps.append(run.steps), on_epoch=lambda run: epochs.append(len(run.history.epochs)))
        assert (steps, epochs) == (list(range(1, 16)), [1, 2, 3])

    def test_of_progress_is_nothing_where_there_is_no_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        steps: list[int] = []
        history, _ = un.train(MODEL, RECIPE, progress=True, on_step=lambda run: steps.append(run.steps))
        assert tuple(capsys.readouterr()) == ("", "")
        assert len(steps) == len(history.losses) == 15

    def test_of_progress_on_a_terminal_is_a_bar_that_goes_away(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TTY_INTERACTIVE", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "140")
        steps: list[int] = []
        un.train(MODEL, RECIPE, progress=True, on_step=lambda run: steps.append(run.steps))
        out, err = capsys.readouterr()
        assert out == ""
        assert all(word in err for word in ("epoch 3/3", "testing", "loss ", "accuracy ", "images/s", "left"))
        assert err.endswith("\x1b[2K")  # the line is cleared
        assert len(steps) == 15


class TestCounting:
    def test_of_samples_weighs_batches_by_their_size(self) -> None:
        whole = done(RECIPE.replace(epochs=1))
        losses, samples = np.array(whole.history.losses), np.array(whole.history.steps.samples)
        assert samples.tolist() == [16, 16, 16, 16, 6]
        assert whole.history.epochs[0].loss == math.fsum(losses * samples) / 70

    def test_of_batches_does_not(self) -> None:
        whole = done(RECIPE.replace(epochs=1, averaging="batches"))
        counts = np.array(whole.history.steps.counts["accuracy"]) / whole.history.steps.samples
        assert whole.history.epochs[0].loss == math.fsum(whole.history.losses) / 5
        assert whole.history.epochs[0].metrics["accuracy"] == math.fsum(counts) / 5

    def test_of_test_samples_is_of_the_network_after_the_epoch_in_inference(self) -> None:
        whole = done(numerics="native")
        images, labels = un.fashion_mnist("test", source="embedded").take(30).as_float()
        scores = whole.program(images)
        assert whole.history.epochs[-1].test_metrics["accuracy"] == (scores.argmax(axis=1) == labels).mean()

    def test_in_the_digest_takes_in_weights_state_and_history(self) -> None:
        whole = done()
        digests = {whole.sha256()}
        whole.history.losses[3] += 1e-9
        digests.add(whole.sha256())
        state = whole.learner.state()
        state["linear1.bias/mean"][0] += np.float32(1e-6)
        whole.learner.load(whole.program.weights(), state, whole.steps)
        digests.add(whole.sha256())
        weights = whole.program.weights()
        weights["norm1.mean"][0] += np.float32(1e-6)
        whole.program.load(weights)
        digests.add(whole.sha256())
        assert len(digests) == 4


class TestTrouble:
    @pytest.mark.parametrize(
        ("rate", "numerics", "error", "words"),
        [
            pytest.param(1e30, "native", TrainingError, "the loss is nan at step 2 .epoch 1, batch 2. with SGD at the learning rate 1e.30", id="nan"),
            pytest.param(1e4, "native", TrainingError, "the loss explodes to .* at step 2", id="an-explosion"),
            pytest.param(1e30, "identical", InputError, "Step 2 .epoch 1, batch 2., at the learning rate 1e.30: .*net/", id="an-overflow"),
        ],
    )  # fmt: skip
    def test_with_the_loss_is_said_with_its_place(self, rate: float, numerics: str, error: Any, words: str) -> None:
        model = un.Sequential([un.Flatten(), un.Linear(20, activation="relu"), un.Linear(10)], input=(1, 28, 28), name="net")
        with pytest.raises(error, match=words):
            Run(model, RECIPE.replace(optimizer=un.SGD(rate)), numerics=numerics).go()

    @pytest.mark.parametrize("count", [1, 3], ids=["a-class-too-many", "more"])
    def test_with_labels_is_found_before_the_first_step(self, count: int) -> None:
        x, y = np.zeros((8, 1, 28, 28), np.float32), np.zeros(8, np.int64)
        y[5] = 9 + count
        with pytest.raises(InputError, match=f"label 5 is {9 + count}, but the network has 10 classes"):
            run(RECIPE.replace(data=None), data=(x, y))
