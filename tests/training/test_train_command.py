"""`unicnn train`: what it prints and keeps, where it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.training.run import Run

from .commands import NET, PYTHON, Commands, paragraph, start

KEYS = ["epoch", "step", "rate", "loss", "accuracy", "test_loss", "test_accuracy", "seconds", "images_per_second"]
FILES = {
    "history.json", "recipe.toml", "model.toml", "weights.safetensors", "curve.svg", "curve.png", "predictions.svg", "predictions.png",
}  # fmt: skip


class TestOutput:
    def test_in_a_pipe_is_one_line_of_json_an_epoch_then_the_digest(self, unicnn: Commands) -> None:
        answer = unicnn.train()
        *epochs, last = answer.lines
        assert (answer.code, answer.err) == (0, "")
        assert [list(line) for line in epochs] == [KEYS] * 3
        assert [(line["epoch"], line["step"], line["rate"]) for line in epochs] == [(1, 5, 0.1), (2, 10, 0.1), (3, 15, 0.1)]
        assert epochs[2]["loss"] < epochs[0]["loss"]
        assert set(last) == {"sha256", "covers"}
        assert len(last["sha256"]) == 64

    def test_has_no_digest_under_native_numerics(self, unicnn: Commands) -> None:
        assert [list(line) for line in unicnn.train(numerics="native").lines] == [KEYS] * 3

    def test_tells_the_same_as_the_python_interface(self, unicnn: Commands) -> None:
        lines = unicnn.train(numerics="native").lines
        history, _ = un.train(un.load("net.toml"), un.load_recipe("recipe.toml"))
        assert [line["loss"] for line in lines] == [epoch.loss for epoch in history.epochs]
        assert [line["test_accuracy"] for line in lines] == [epoch.test_metrics["accuracy"] for epoch in history.epochs]

    def test_goes_as_json_to_a_file_and_in_columns_to_standard_output(self, unicnn: Commands, tmp_path: Path) -> None:
        answer = unicnn.train("--json", "told.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [list(line) for line in lines[:-1]] == [KEYS] * 3
        told = answer.out.splitlines()
        assert told[0].startswith("net on NumPy ")
        assert " ".join(told[2].split()) == "epoch step rate loss accuracy test loss test accuracy seconds images/s"
        assert [line.split()[:3] for line in told[3:6]] == [["1", "5", "0.1"], ["2", "10", "0.1"], ["3", "15", "0.1"]]
        assert told[6].startswith(lines[-1]["sha256"])

    def test_of_a_resumed_training_makes_the_file_whole(self, unicnn: Commands, tmp_path: Path) -> None:
        unicnn.train("--epochs", "1", "--out", "kept")
        unicnn.train("--out", "kept", "--resume", "--json", "told.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line.get("epoch") for line in lines] == [1, 2, 3, None]

    @pytest.mark.parametrize(
        ("options", "steps"),
        [(("--epochs", "1"), [5]), (("--steps", "7"), [5, 7]), (("--epochs", "0"), [])],
        ids=["epochs", "steps", "not-at-all"],
    )
    def test_is_as_long_as_asked(self, unicnn: Commands, options: Any, steps: list[int]) -> None:
        assert [line["step"] for line in unicnn.train(*options, numerics="native").lines] == steps

    def test_depends_on_the_seed(self, unicnn: Commands) -> None:
        digests = [unicnn.train("--epochs", "1", "--seed", seed).sha256 for seed in ("0", "0", "1")]
        assert digests[0] == digests[1] != digests[2]

    @pytest.mark.parametrize(
        ("recipe", "model"),
        [
            pytest.param("recipe.json", None, id="a-json-file"),
            pytest.param("recipe.py:mine", None, id="a-recipe-in-a-python-file"),
            pytest.param("recipe.toml", "recipe.py:net", id="a-network-in-a-python-file"),
        ],
    )
    def test_is_the_same_whatever_names_recipe_and_network(self, unicnn: Commands, recipe: str, model: str | None) -> None:
        before = unicnn.train("--epochs", "1").sha256
        un.save_recipe(un.load_recipe("recipe.toml"), "recipe.json")
        unicnn.write("recipe.py", PYTHON)
        assert unicnn.train("--epochs", "1", *(("--model", model) if model else ()), recipe=recipe).sha256 == before

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
    def test_on_a_terminal_is_columns_and_a_live_bar(self, unicnn: Commands) -> None:
        import pty

        child, terminal = pty.fork()
        if child == 0:
            os.environ["TERM"] = "xterm"
            os.execv(sys.executable, [sys.executable, "-m", "unicnn.cli", "train", "recipe.toml", "--backend", "numpy"])
        shown = b""
        try:
            while piece := os.read(terminal, 65536):
                shown += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        text = shown.decode()
        assert all(word in text for word in ("epoch 1/3", "testing", "images/s", "left", "net on NumPy", "test accuracy", "     15"))
        assert "{" not in text


class TestFolder:
    def test_holds_all_that_the_training_was(self, unicnn: Commands, tmp_path: Path) -> None:
        answer = unicnn.train("--out", "a/b", "--seed", "4")
        folder = tmp_path / "a" / "b"
        assert {file.name for file in folder.iterdir()} >= FILES
        history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        assert history["epochs"] == answer.lines[:-1]
        assert history["sha256"] == answer.sha256
        assert (history["steps"], len(history["losses"]), history["seed"], history["backend"]) == (15, 15, 4, "numpy")
        assert history["versions"].keys() == {"unicnn", "python", "numpy"}
        assert history["recipe"] == un.load_recipe("recipe.toml").to_dict()

    def test_is_enough_to_train_again_and_to_test_again(self, unicnn: Commands, tmp_path: Path) -> None:
        answer = unicnn.train("--out", "kept")
        again = unicnn.train("--model", "kept/model.toml", recipe="kept/recipe.toml")
        assert again.sha256 == answer.sha256
        program = un.lower(un.load("kept/model.toml"), weights=un.load_weights("kept/weights.safetensors"))
        images, labels = un.fashion_mnist("test", source="embedded").take(30).as_float()
        assert (program(images).argmax(axis=1) == labels).sum() / 30 == answer.lines[2]["test_accuracy"]

    def test_that_holds_a_training_is_refused_and_left_as_it_is(self, unicnn: Commands, tmp_path: Path) -> None:
        unicnn.train("--out", "kept", "--epochs", "1")
        before = {file.name: file.read_bytes() for file in (tmp_path / "kept").iterdir()}
        answer = unicnn.train("--out", "kept")
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err)
        assert all(word in answer.err for word in ("kept", "step 5", "--resume", "another folder"))
        assert {file.name: file.read_bytes() for file in (tmp_path / "kept").iterdir()} == before

    @pytest.mark.parametrize("network", ["net.toml", "model.toml"], ids=["the-recipe", "the-network"])
    def test_never_overwrites_what_it_was_given(self, unicnn: Commands, tmp_path: Path, network: str) -> None:
        unicnn.write("model.toml", NET)
        (tmp_path / "recipe.toml").rename(tmp_path / ("recipe.toml" if network == "net.toml" else "mine.toml"))
        answer = unicnn.train("--out", ".", "--model", network, recipe="recipe.toml" if network == "net.toml" else "mine.toml")
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err)
        assert "would be overwritten" in answer.err
        assert (tmp_path / "model.toml").read_text(encoding="utf-8") == NET

    def test_without_test_images_has_no_predictions(self, unicnn: Commands, tmp_path: Path) -> None:
        unicnn.recipe(("test = 30", "test = 0"))
        answer = unicnn.train("--out", "kept", "--epochs", "1", numerics="native")
        assert list(answer.lines[0]) == [key for key in KEYS if not key.startswith("test_")]
        assert {file.name for file in (tmp_path / "kept").iterdir()} & FILES == FILES - {"predictions.svg", "predictions.png"}

    def test_that_cannot_be_made_is_told_before_the_training(self, unicnn: Commands) -> None:
        answer = unicnn.train("--out", "net.toml/kept")
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err)


INTERRUPT = """
import os, signal
from unicnn.training.run import Run

step = Run.step

def interrupted(run):
    if run.steps == {step}:
        os.kill(os.getpid(), signal.SIGINT)
    step(run)

Run.step = interrupted
"""
TRAIN = ("train", "recipe.toml", "--backend", "numpy", "--numerics", "identical")


class TestInterruption:
    def test_in_the_middle_of_an_epoch_loses_nothing(self, unicnn: Commands) -> None:
        process = start(*TRAIN, "--out", "kept here", "--seed", "2", code=INTERRUPT.format(step=7))
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130
        assert [json.loads(line)["step"] for line in out.splitlines()] == [5]
        assert err.startswith("Interrupted after step 8 of 15; the checkpoint after step 8 is in kept here. Go on with: unicnn train ")
        assert len(err.splitlines()) == 1
        again = unicnn(*shlex.split(err.partition("Go on with: unicnn ")[2]))
        assert (again.code, [line.get("step") for line in again.lines]) == (0, [10, 15, None])
        assert again.sha256 == unicnn.train("--seed", "2").sha256

    def test_from_outside_at_any_time_loses_nothing(self, unicnn: Commands) -> None:
        unicnn.recipe(("epochs = 3", "epochs = 100000"))
        process = start(*TRAIN, "--out", "kept", "--every", "1000")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["epoch"] == 1
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130
        steps = int(err.split("Interrupted after step ")[1].split()[0].replace(",", ""))
        length = ("--steps", str(steps + 3))
        again = unicnn.train("--out", "kept", "--resume", *length)
        assert again.sha256 == unicnn.train(*length).sha256

    def test_without_a_folder_says_how_to_keep_it_next_time(self, unicnn: Commands) -> None:
        process = start(*TRAIN, code=INTERRUPT.format(step=2))
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (130, "")
        assert paragraph(err)
        assert all(word in err for word in ("after step 3 of 15", "nothing was kept", "--out DIR", "--resume"))

    def test_twice_ends_at_once_and_says_what_is_not_kept(self, unicnn: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(run: Run) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Run, "step", interrupted)
        answer = unicnn.train("--out", "kept")
        assert (answer.code, answer.out) == (130, "")
        assert paragraph(answer.err)
        assert "before a checkpoint was written" in answer.err

    def test_while_drawing_keeps_the_training(self, unicnn: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("unicnn.training.pictures.curve", interrupted)
            answer = unicnn.train("--out", "kept")
        assert answer.code == 130
        assert answer.err.startswith("Interrupted after step 15 of 15; the checkpoint after step 15 is in kept.")
        assert unicnn(*shlex.split(answer.err.partition("Go on with: unicnn ")[2])).code == 0
        assert Path("kept/curve.png").exists()


class TestResuming:
    def test_on_another_backend_gives_the_same_bytes(self, unicnn: Commands, backend: str) -> None:
        unicnn.train("--out", "kept", "--steps", "7")
        there = unicnn.train("--out", "kept", "--resume", backend=backend)
        assert there.code == 0, there.err
        assert there.sha256 == unicnn.train().sha256

    def test_passes_over_a_damaged_checkpoint_and_says_so(self, unicnn: Commands, tmp_path: Path) -> None:
        unicnn.train("--out", "kept")
        newest = max((tmp_path / "kept").glob("checkpoint-*.safetensors"))
        newest.write_bytes(newest.read_bytes()[:-1])
        answer = unicnn.train("--out", "kept", "--resume")
        assert answer.code == 0
        assert paragraph(answer.err)
        assert newest.name in answer.err
        assert [line.get("step") for line in answer.lines] == [15, None]
        assert answer.sha256 == unicnn.train().sha256

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            pytest.param(("--seed", "1"), ["its seed is not this one's (0, not 1)"], id="another-seed"),
            pytest.param(("--model", "lenet"), ["its model is not this one's"], id="another-network"),
        ],
    )
    def test_of_another_training_is_refused(self, unicnn: Commands, options: Any, words: list[str]) -> None:
        unicnn.train("--out", "kept", "--steps", "1")
        answer = unicnn.train("--out", "kept", "--resume", *options)
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err)
        assert [word for word in words if word not in answer.err] == []


RATE = "learning_rate = 0.1, momentum = 0.9"
FAILURES = [
    pytest.param([(RATE, "learning_rate = 1e30")], "native", ["TrainingError", "net", "the loss is nan at step 2 (epoch 1, batch 2)", "SGD", "1e+30", "Warmup"], id="a-loss-that-is-nan"),
    pytest.param([(RATE, "learning_rate = 1e4")], "native", ["TrainingError", "explodes to", "at step 2", "it was 2."], id="a-loss-that-explodes"),
    pytest.param([(RATE, "learning_rate = 1e30")], "identical", ["InputError", "Step 2 (epoch 1, batch 2)", "net/linear1", "range of float32", "identical numerics"], id="an-overflow-under-identical-numerics"),
    pytest.param([('"embedded"', '"full"')], "native", ["DataError", "fashion-mnist", "not on this machine", "apt-get install"], id="a-full-set-that-is-not-there"),
    pytest.param([('name = "fashion-mnist", source = "embedded"', 'name = "nowhere"')], "native", ["DataError", "nowhere", "train-images-idx3-ubyte"], id="a-folder-without-files"),
    pytest.param([('name = "fashion-mnist", source = "embedded"', 'name = "nowhere.npz"')], "native", ["DataError", "nowhere.npz", "cannot be read"], id="a-file-that-is-not-there"),
    pytest.param([('name = "fashion-mnist", source = "embedded", train = 80, test = 30', 'name = "labels.npz"')], "native", ["InputError", "net", "label 2 is 10", "10 classes"], id="a-label-out-of-range"),
    pytest.param([("train = 80", "train = 2001")], "native", ["DataError", "train = 2001", "2000 samples"], id="more-samples-than-there-are"),
    pytest.param([("batch_size = 16", 'batch_size = 81\nlast = "drop"')], "native", ["InputError", "a batch of 81", "80 samples", 'last = "keep"'], id="a-batch-larger-than-the-data-dropped"),
    pytest.param([("batch_size = 16", 'batch_size = 81\nlast = "pad"')], "native", ["InputError", "a batch of 81", "80 samples", "repeat"], id="a-batch-larger-than-the-data-padded"),
    pytest.param([("name = \"fashion-mnist\",", 'name = "fashion-mnist", resize = [14, 14],')], "native", ["InputError", "net", "14"], id="images-of-another-size"),
    pytest.param([("model = \"net.toml\"\n", "")], "native", ["InputError", "recipe", "--model"], id="no-network"),
    pytest.param([("data = ", "dta = ")], "native", ["DescriptionError", "'dta'", "Did you mean 'data'?"], id="a-misspelt-key"),
]  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize("out", [(), ("--out", "kept")], ids=["without-a-folder", "with-a-folder"])
    @pytest.mark.parametrize(("changes", "numerics", "words"), FAILURES)
    def test_of_a_training_are_one_paragraph_and_exit_2(
        self, unicnn: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: Any, numerics: str, words: list[str], out: Any
    ) -> None:
        monkeypatch.setattr("unicnn.datasets.fashion.SYSTEM_FOLDER", tmp_path / "nothing")
        monkeypatch.delenv("UNICNN_DATA", raising=False)
        np.savez(tmp_path / "labels.npz", x_train=np.zeros((80, 28, 28), np.uint8), y_train=np.array([0, 9, 10, 3] * 20))
        unicnn.recipe(*changes)
        answer = unicnn.train(*out, numerics=numerics)
        assert [word for word in words if word not in answer.err] == [], answer.err
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err), answer.err

    def test_tell_of_the_checkpoint_that_there_is(self, unicnn: Commands) -> None:
        unicnn.recipe(
            (RATE, "learning_rate = 0.1"), ("epochs = 3", 'epochs = 3\nschedule = {name = "MultiStepDecay", milestones = [1], gamma = 1e9}')
        )
        answer = unicnn.train("--out", "kept", numerics="native")
        assert (answer.code, len(answer.lines)) == (2, 1)
        assert answer.err.rstrip().endswith("The last checkpoint is in kept.")
        assert paragraph(answer.err)

    def test_a_batch_larger_than_the_data_that_is_kept_is_one_batch(self, unicnn: Commands) -> None:
        unicnn.recipe(("batch_size = 16", "batch_size = 81"))
        assert [line.get("step") for line in unicnn.train().lines] == [1, 2, 3, None]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            pytest.param(("lenett",), ["UnknownNameError", "'lenett'", "Did you mean 'lenet'?", "file.py:name"], id="an-unknown-recipe"),
            pytest.param(("net.toml",), ["DescriptionError", "net.toml: describes a network", "--model net.toml"], id="a-network"),
            pytest.param(("missing.toml",), ["DescriptionError", "missing.toml: cannot be read"], id="a-missing-file"),
            pytest.param(("recipe.py",), ["DescriptionError", "recipe.py: say which name", "recipe.py:recipe"], id="a-python-file-without-a-name"),
            pytest.param(("recipe.py:mien",), ["DescriptionError", "has no 'mien'", "Did you mean 'mine'?"], id="a-name-that-is-not-in-the-file"),
            pytest.param(("recipe.py:net",), ["DescriptionError", "recipe.py:net is a Model, not a unicnn Recipe"], id="a-network-in-a-python-file"),
            pytest.param(("recipe.toml", "--model", "lenett"), ["UnknownNameError", "network", "Did you mean 'lenet'?"], id="an-unknown-network"),
            pytest.param(("recipe.toml", "--epochs", "1", "--steps", "1"), ["InputError", "--epochs and --steps"], id="two-lengths"),
            pytest.param(("recipe.toml", "--resume"), ["InputError", "--resume needs --out"], id="resume-without-a-folder"),
            pytest.param(("recipe.toml", "--every", "2"), ["InputError", "--every needs --out"], id="every-without-a-folder"),
            pytest.param(("recipe.toml", "--out", "empty", "--resume"), ["CheckpointError", "empty: there is no checkpoint"], id="nothing-to-resume"),
            pytest.param(("recipe.toml", "--numerics", "exact"), ["UnknownNameError", "'exact'"], id="unknown-numerics"),
            pytest.param(("recipe.toml", "--device", "tpu"), ["BackendError", "'tpu'", "it has cpu"], id="an-unknown-device"),
            pytest.param(("recipe.toml", "--json", "missing/told.jsonl"), ["InputError", "missing/told.jsonl: cannot be written"], id="json-to-a-missing-folder"),
        ],
    )  # fmt: skip
    def test_of_arguments_are_one_paragraph_and_exit_2(self, unicnn: Commands, arguments: Any, words: list[str]) -> None:
        unicnn.write("recipe.py", PYTHON)
        answer = unicnn("train", *arguments, "--backend", "numpy")
        assert [word for word in words if word not in answer.err] == [], answer.err
        assert (answer.code, answer.out) == (2, "")
        assert paragraph(answer.err)

    def test_a_backend_must_be_named_and_known(self, unicnn: Commands) -> None:
        assert "'--backend'" in unicnn("train", "recipe.toml").err
        assert "There is no backend called 'numpie'" in unicnn.train(backend="numpie").err
