"""The command line: what it takes, what it answers with, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.cli import main

Run = Callable[..., Any]


class Result:
    """Hold what a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def words(self) -> str:
        return " ".join(self.out.split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: Any, capsys: Any, tmp_path: Path) -> Run:
    """Return a function that runs the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["unicnn", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return Result(code, *capsys.readouterr())

    return call


TINY = 'input = [1, 4, 4]\nlayers = [{op = "Conv2d", out_channels = 2, kernel_size = 3, activation = "relu"}, {op = "Flatten"}, {op = "Linear", out_features = 3}]'
COMPARE = ("compare", "--backends", "numpy", "--batch", "2")


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")
    return str(tmp_path / "tiny.toml")


@pytest.fixture
def wrong_relu(monkeypatch: Any) -> None:
    """Make the NumPy backend compute |x| instead of max(x, 0)."""
    monkeypatch.setattr(plugins.backend("numpy").modules["activation"], "relu", np.abs)


class TestCompare:
    def test_exits_0_if_all_agree(self, run: Run, tiny: str) -> None:
        result = run(*COMPARE, tiny)
        assert (result.code, result.err) == (0, "")
        assert "tiny on 2 random values" in result.words
        assert "numpy computes every layer as described" in result.words

    def test_exits_1_if_one_diverges_and_says_where(self, run: Run, tiny: str, wrong_relu: None) -> None:
        result = run(*COMPARE, tiny)
        assert (result.code, result.err) == (1, "")
        assert "diverged: the first layer whose error is not rounding is relu1 (ReLU) on numpy" in result.words

    @pytest.mark.parametrize(
        "option",
        [(), ("--gradients",), ("--mode", "training"), ("--numerics", "float64", "--gradients"), ("--init", "keras", "--seed", "7")],
    )
    def test_agrees_in_every_mode(self, run: Run, tiny: str, option: Any) -> None:
        assert run(*COMPARE, tiny, *option).code == 0

    @pytest.mark.parametrize(
        ("network", "data", "what"),
        [
            ("lenet", "auto", "Fashion-MNIST test images"),
            ("lenet", "fashion-mnist", "Fashion-MNIST test images"),
            ("lenet", "random", "random values"),
            ("tiny.toml", "auto", "random values"),
            ("tiny.toml", "random", "random values"),
        ],
    )
    def test_says_on_what_data_it_compared(self, run: Run, tiny: str, network: str, data: str, what: str) -> None:
        assert f"on 2 {what}" in run(*COMPARE, network, "--data", data).words

    def test_writes_json_with_these_keys(self, run: Run, tiny: str) -> None:
        result = run(*COMPARE, tiny, "--gradients", "--json", "-")
        assert result.code == 0
        assert {"model", "verdict", "first_divergence", "backends", "layers", "gradients"} <= set(result.json)
        assert set(result.json) == {
            "model",
            "numerics",
            "batch",
            "verdict",
            "first_divergence",
            "conclusion",
            "backends",
            "absent",
            "layers",
            "gradients",
            "pairs",
        }
        assert [set(row) for row in result.json["backends"]] == [{"name", "version", "device"}]
        assert {frozenset(row) for row in result.json["layers"]} == {
            frozenset({"path", "op", "shape", "bound_ratio", "max_ulp", "differs"})
        }
        assert {frozenset(row) for row in result.json["gradients"]} == {
            frozenset({"path", "op", "shape", "bound_ratio", "max_ulp", "differs"})
        }
        assert [set(row[key]) for row in result.json["layers"] for key in ("bound_ratio", "max_ulp", "differs")] == [{"numpy"}] * 12

    def test_writes_json_with_these_values(self, run: Run, tiny: str) -> None:
        found = run(*COMPARE, tiny, "--gradients", "--json", "-").json
        assert (found["model"], found["verdict"], found["first_divergence"], found["batch"]) == ("tiny", "agree", None, 2)
        assert found["backends"] == [{"name": "numpy", "version": np.__version__, "device": "cpu"}]
        assert [(row["path"], row["op"], row["shape"]) for row in found["layers"]] == [
            ("conv1", "Conv2d", [2, 2, 2]), ("relu1", "ReLU", [2, 2, 2]), ("flatten1", "Flatten", [8]), ("linear1", "Linear", [3]),
        ]  # fmt: skip
        assert [row["path"] for row in found["gradients"]] == [
            "loss.linear1", "linear1.weight", "linear1.bias", "linear1.input", "flatten1.input", "relu1.input", "conv1.weight", "conv1.bias", "conv1.input",
        ]  # fmt: skip
        assert run(*COMPARE, tiny, "--json", "-").json["gradients"] == []

    def test_writes_the_divergence_as_json(self, run: Run, tiny: str, wrong_relu: None) -> None:
        result = run(*COMPARE, tiny, "--json", "-")
        assert result.code == 1
        assert (result.json["verdict"], result.json["first_divergence"]) == ("diverged", "relu1")
        assert "inf" in str(result.json["layers"][1]["bound_ratio"]["numpy"])

    def test_writes_json_to_a_file_beside_the_table(self, run: Run, tiny: str, tmp_path: Path) -> None:
        result = run(*COMPARE, tiny, "--json", str(tmp_path / "out.json"))
        assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["verdict"] == "agree"
        assert "conv1" in result.out

    def test_uses_the_weights_of_a_file(self, run: Run, tiny: str, tmp_path: Path) -> None:
        weights = un.initial_weights(un.load(tiny), 5)
        un.save_weights(weights, tmp_path / "w.safetensors")
        assert run(*COMPARE, tiny, "--weights", str(tmp_path / "w.safetensors")).code == 0
        un.save_weights({"conv1.weight": weights["conv1.weight"]}, tmp_path / "w.safetensors")
        result = run(*COMPARE, tiny, "--weights", str(tmp_path / "w.safetensors"))
        assert result.code == 2
        assert "InputError: tiny: the weights lack 'conv1.bias'" in result.err


class TestBackends:
    def test_lists_them_with_their_versions(self, run: Run) -> None:
        result = run("backends")
        assert (result.code, result.err) == (0, "")
        assert f"numpy NumPy {np.__version__}" in result.words

    def test_writes_json_with_these_keys(self, run: Run) -> None:
        result = run("backends", "--json", "-")
        assert set(result.json) == {"backends", "notes"}
        assert {frozenset(row) for row in result.json["backends"]} == {
            frozenset({"name", "installed", "version", "devices", "plugin", "reason", "repair"})
        }
        (row,) = [row for row in result.json["backends"] if row["name"] == "numpy"]
        assert (row["installed"], row["version"], row["plugin"], row["reason"], row["repair"]) == (
            True,
            np.__version__,
            "unicnn-numpy",
            None,
            None,
        )
        assert row["devices"][0] == "cpu"


class TestShow:
    def test_shows_every_layer_and_the_totals(self, run: Run) -> None:
        result = run("show", "lenet")
        assert (result.code, result.err) == (0, "")
        assert "conv1 Conv2d 20, 5x5 20x24x24 520 288,000" in result.words
        assert "lenet: 170,988 parameters" in result.words

    def test_writes_json_with_these_keys(self, run: Run, tiny: str) -> None:
        found = run("show", tiny, "--json", "-").json
        assert set(found) == {"model", "inputs", "layers", "parameters", "multiply_adds"}
        assert found["layers"][0] == {
            "path": "conv1", "op": "Conv2d", "fields": {"out_channels": 2, "kernel_size": 3}, "inputs": ["input"], "shape": [2, 2, 2],
            "parameters": {"weight": [2, 1, 3, 3], "bias": [2]}, "multiply_adds": 72,
        }  # fmt: skip
        assert (found["inputs"], found["parameters"], found["multiply_adds"]) == ({"input": [1, 4, 4]}, 20 + 27, 72 + 24)

    def test_shows_where_a_branch_comes_from(self, run: Run) -> None:
        lines = [line.strip() for line in run("show", "inception-block").out.splitlines()]
        lines = [line for line in lines if line.startswith(("concat1", "branch1.relu1"))]
        assert "Concat" in lines[1]
        assert "branch1.relu1, branch2.relu2," in lines[1]
        assert "branch1.conv1" not in lines[0]  # the layer before goes without saying

    def test_shows_a_name_that_looks_like_markup_as_it_is(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "net.toml").write_text('name = "a[/]b [bold]"\n' + TINY, encoding="utf-8")
        assert "a[/]b [bold]: 47 parameters" in run("show", "net.toml").words
        assert "a[/]b [bold] on 2 random values" in run(*COMPARE, "net.toml").words

    def test_does_not_run_what_it_shows(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "huge.toml").write_text('input = [1000000]\nlayers = [{op = "Linear", out_features = 1000000000}]', encoding="utf-8")
        assert "1,000,001,000,000,000 parameters" in run("show", "huge.toml").words


PYTHON_FILE = """
import unicnn as un

net = un.Sequential([un.Linear(3)], input=(2,), name="from-a-variable")
number = 3

def make():
    return un.Sequential([un.Linear(3)], input=(2,), name="from-a-function")

def takes(an_argument):
    return net

def breaks():
    raise RuntimeError("broken")

def refuses():
    return un.Linear(3)(un.Input(2, 2))
"""


class TestModels:
    @pytest.mark.parametrize(
        ("form", "name"),
        [
            pytest.param("lenet", "lenet", id="a-network-of-the-zoo"),
            pytest.param("vgg11_quarter", "vgg11-quarter", id="a-network-of-the-zoo-with-underscores"),
            pytest.param("tiny.toml", "tiny", id="a-toml-file"),
            pytest.param("tiny.json", "tiny", id="a-json-file"),
            pytest.param("nets.py:net", "from-a-variable", id="a-variable-of-a-python-file"),
            pytest.param("nets.py:make", "from-a-function", id="a-function-of-a-python-file"),
            pytest.param("./folder/nets.py:make", "from-a-function", id="a-python-file-in-a-folder"),
        ],
    )
    def test_are_found_in_every_form(self, run: Run, tiny: str, tmp_path: Path, form: str, name: str) -> None:
        un.save(un.load(tiny), tmp_path / "tiny.json")
        (tmp_path / "folder").mkdir()
        (tmp_path / "nets.py").write_text(PYTHON_FILE, encoding="utf-8")
        (tmp_path / "folder" / "nets.py").write_text(PYTHON_FILE, encoding="utf-8")
        assert run("show", form, "--json", "-").json["model"] == name

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            pytest.param("lenett", ["UnknownNameError", "'lenett'", "Did you mean 'lenet'?", "file.py:name"], id="an-unknown-name"),
            pytest.param("", ["UnknownNameError", "''"], id="an-empty-name"),
            pytest.param("missing.toml", ["DescriptionError", "missing.toml: cannot be read (No such file"], id="a-missing-toml-file"),
            pytest.param("missing.py:net", ["DescriptionError", "missing.py: cannot be read (No such file"], id="a-missing-python-file"),
            pytest.param("nets.py", ["DescriptionError", "nets.py: say which name in the file", "nets.py:net"], id="a-python-file-without-a-name"),
            pytest.param("nets.py:nett", ["DescriptionError", "nets.py: has no 'nett'", "Did you mean 'net'?"], id="a-name-that-is-not-in-the-file"),
            pytest.param("nets.py:", ["DescriptionError", "nets.py: has no ''"], id="a-colon-without-a-name"),
            pytest.param("nets.py:number", ["DescriptionError", "nets.py:number is a int, not a unicnn Model"], id="a-name-of-something-else"),
            pytest.param("nets.py:un", ["DescriptionError", "module", "not a unicnn Model"], id="a-name-of-a-module"),
            pytest.param("nets.py:takes", ["DescriptionError", "nets.py:takes: calling it without arguments failed (TypeError"], id="a-function-that-needs-an-argument"),
            pytest.param("nets.py:breaks", ["DescriptionError", "calling it without arguments failed (RuntimeError: broken)"], id="a-function-that-raises"),
            pytest.param("nets.py:refuses", ["ShapeError", "takes vectors"], id="a-function-that-describes-nonsense"),
            pytest.param("syntax.py:net", ["DescriptionError", "syntax.py: running it failed (SyntaxError", "line 2"], id="a-syntax-error"),
            pytest.param("raises.py:net", ["DescriptionError", "raises.py: running it failed (ZeroDivisionError"], id="a-file-that-raises"),
            pytest.param("wrong.toml", ["DescriptionError", "wrong.toml: layers[0].kernl_size", "Did you mean 'kernel_size'?"], id="a-misspelt-field"),
            pytest.param("misfit.toml", ["ShapeError", "misfit/pool1 (MaxPool2d 9x9) cannot take 1x4x4"], id="a-layer-that-does-not-fit"),
            pytest.param("folder", ["UnknownNameError", "'folder'"], id="a-folder"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("command", [("show",), COMPARE], ids=["show", "compare"])
    def test_that_cannot_be_found_are_one_paragraph_and_exit_2(self, run: Run, tmp_path: Path, command: Any, form: str, words: Any) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "nets.py").write_text(PYTHON_FILE, encoding="utf-8")
        (tmp_path / "syntax.py").write_text("x = 1\ndef (\n", encoding="utf-8")
        (tmp_path / "raises.py").write_text("1 / 0\n", encoding="utf-8")
        (tmp_path / "wrong.toml").write_text(TINY.replace("kernel_size", "kernl_size"), encoding="utf-8")
        (tmp_path / "misfit.toml").write_text('input = [1, 4, 4]\nlayers = [{op = "MaxPool2d", kernel_size = 9}]', encoding="utf-8")
        result = run(*command, form)
        missing = [word for word in words if word not in result.err]
        assert not missing, result.err
        assert (result.code, result.out) == (2, "")
        assert len(result.err.splitlines()) == 1


BAD_OPTIONS = [
    pytest.param(("--batch", "0"), ["InputError", "at least 1 sample, not 0"], id="no-sample"),
    pytest.param(("--batch", "-3"), ["InputError", "not -3"], id="a-negative-batch"),
    pytest.param(("--batch", "1001"), ["InputError", "1000 test images, not 1001"], id="more-images-than-there-are"),
    pytest.param(("--data", "fashion"), ["UnknownNameError", "'fashion'", "Did you mean 'fashion-mnist'?"], id="unknown-data"),
    pytest.param(("--backends", "numpy,troch"), ["UnknownNameError", "'troch'"], id="an-unknown-backend"),
    pytest.param(("--device", "tpu"), ["BackendError", "'tpu'", "it has cpu"], id="an-unknown-device"),
    pytest.param(("--numerics", "fast"), ["UnknownNameError", "'fast'"], id="unknown-numerics"),
    pytest.param(("--mode", "train"), ["InputError", "'train'"], id="an-unknown-mode"),
    pytest.param(("--init", "pytorch"), ["UnknownNameError", "'pytorch'", "Did you mean 'torch'?"], id="an-unknown-preset"),
    pytest.param(
        ("--weights", "missing.safetensors"), ["InputError", "missing.safetensors: the weights cannot be read"], id="missing-weights"
    ),
    pytest.param(
        ("--json", "missing/out.json"), ["InputError", "missing/out.json: cannot be written (No such file"], id="json-to-a-missing-folder"
    ),
    pytest.param(("--json", "."), ["InputError", ".: cannot be written"], id="json-to-a-folder"),
]


class TestErrors:
    @pytest.mark.parametrize(("option", "words"), BAD_OPTIONS)
    def test_of_an_option_are_one_paragraph_and_exit_2(self, run: Run, option: Any, words: Any) -> None:
        result = run(*COMPARE, "lenet", *option)
        missing = [word for word in words if word not in result.err]
        assert not missing, result.err
        assert (result.code, result.out) == (2, "")
        assert len(result.err.splitlines()) == 1

    @pytest.mark.parametrize("data", ["fashion-mnist"])
    def test_images_that_do_not_fit_are_refused(self, run: Run, tiny: str, data: str) -> None:
        result = run(*COMPARE, tiny, "--data", data)
        assert result.code == 2
        assert "tiny takes (1, 4, 4), and Fashion-MNIST has images of 1x28x28" in result.err
        assert "--data random" in result.err

    @pytest.mark.parametrize(
        ("text", "option", "words"),
        [
            pytest.param(
                'input = [100]\nlayers = [{op = "Linear", out_features = 1000000000000}]', (), ["1 sample,", "net/linear1"], id="weights"
            ),
            pytest.param('input = [1, 1000000, 1000000]\nlayers = [{op = "ReLU"}]', (), ["1 sample,", "net/relu1"], id="an-input"),
            pytest.param('input = [1000]\nlayers = [{op = "ReLU"}]', ("--batch", "1000000000000"), ["1000000000000 samples"], id="a-batch"),
        ],
    )
    def test_what_is_larger_than_the_machine_is_refused(self, run: Run, tmp_path: Path, text: str, option: Any, words: Any) -> None:
        (tmp_path / "net.toml").write_text(text, encoding="utf-8")
        result = run("compare", "--backends", "numpy", "--batch", "1", "net.toml", "--data", "random", *option)
        missing = [word for word in words if word not in result.err]
        assert not missing, result.err
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("InputError: net needs ")

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param(("compare", "lenet", "--batch", "two"), id="a-word-for-a-number"),
            pytest.param(("compare",), id="no-network"),
            pytest.param(("compare", "lenet", "--bogus"), id="an-unknown-option"),
            pytest.param(("comparre", "lenet"), id="an-unknown-command"),
            pytest.param(("show", "lenet", "lenet"), id="a-network-too-many"),
        ],
    )
    def test_of_usage_exit_2_without_a_traceback(self, run: Run, arguments: Any) -> None:
        result = run(*arguments)
        assert (result.code, result.out) == (2, "")
        assert "Traceback" not in result.err
        assert "Usage" in result.err

    def test_of_explain_name_the_closest_op(self, run: Run) -> None:
        result = run("explain", "Convv2d")
        assert (result.code, result.out) == (2, "")
        assert "UnknownNameError" in result.err
        assert len(result.err.splitlines()) == 1

    def test_an_interruption_is_no_traceback(self, run: Run, monkeypatch: Any) -> None:
        def stop(text: str) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr("unicnn.sources.find_model", stop)
        result = run("show", "lenet")
        assert result.code not in (0, 1, 2)
        assert "Traceback" not in result.err


# In processes of their own

HEAVY = ("torch", "tensorflow", "mxnet", "keras", "jax")


def start(*arguments: str, **options: Any) -> Any:
    return subprocess.run([sys.executable, *arguments], text=True, timeout=120, check=False, **{"capture_output": True, **options})


def imported(*arguments: str) -> set[str]:
    """Return the top-level modules that a command imports."""
    code = (
        f"import sys; sys.argv = ['unicnn', *{arguments!r}]\nfrom unicnn.cli import main\ntry: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    result = start("-c", code)
    assert result.returncode == 0, result.stderr
    return set(result.stderr.split())


class TestLaziness:
    @pytest.mark.parametrize("arguments", [("--help",), ("compare", "--help"), ("backends",), ("backends", "--json", "-")], ids=" ".join)
    def test_what_needs_no_numbers_imports_neither_a_framework_nor_numpy(self, arguments: Any) -> None:
        assert imported(*arguments).isdisjoint({*HEAVY, "numpy", "scipy"})

    @pytest.mark.parametrize(
        "arguments", [("show", "lenet"), ("explain", "conv2d"), ("compare", "lenet", "--backends", "numpy", "--batch", "1")], ids=" ".join
    )
    def test_what_needs_numbers_imports_no_framework(self, arguments: Any) -> None:
        modules = imported(*arguments)
        assert modules.isdisjoint(HEAVY)
        assert "unicnn" in modules

    def test_import_unicnn_imports_nothing(self) -> None:
        result = start("-c", "import sys; import unicnn; print(*{name.partition('.')[0] for name in sys.modules})")
        assert set(result.stdout.split()).isdisjoint({*HEAVY, "numpy", "scipy", "rich", "typer", "pluggy"})
        assert "unicnn" in result.stdout.split()

    def test_a_description_needs_no_numpy(self) -> None:
        result = start(
            "-c", "import sys; import unicnn as un; un.infer(un.zoo.lenet()); print(*{name.partition('.')[0] for name in sys.modules})"
        )
        assert set(result.stdout.split()).isdisjoint({*HEAVY, "numpy", "scipy"})
        assert "unicnn" in result.stdout.split()


class TestStandardOutput:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only there a full disk can be had for nothing")
    @pytest.mark.parametrize("arguments", [("show", "lenet"), ("show", "lenet", "--json", "-"), ("backends", "--json", "-")], ids=" ".join)
    def test_on_a_full_disk_is_one_line_and_exit_2(self, arguments: Any) -> None:
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = start("-m", "unicnn.cli", *arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 2
        assert result.stderr == "The output cannot be written (No space left on device).\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only there a full disk can be had for nothing")
    def test_a_file_on_a_full_disk_is_one_paragraph_and_exit_2(self, run: Run) -> None:
        result = run("show", "lenet", "--json", "/dev/full")
        assert (result.code, result.out) == (2, "")
        assert result.err == "InputError: /dev/full: cannot be written (No space left on device). Choose another file.\n"

    def test_that_nobody_reads_is_no_traceback(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "unicnn.cli", "show", "lenet", "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait(120) != 0
        assert "Traceback" not in error

    def test_of_a_pipe_is_wide_enough_for_a_table(self) -> None:
        result = start("-m", "unicnn.cli", "show", "lenet")
        assert result.returncode == 0
        assert "288,000" in result.stdout
        assert result.stderr == ""

    def test_of_json_is_nothing_but_json(self) -> None:
        result = start("-m", "unicnn.cli", "compare", "lenet", "--backends", "numpy", "--batch", "1", "--json", "-")
        assert json.loads(result.stdout)["verdict"] == "agree"
        assert (result.returncode, result.stderr) == (0, "")
