"""`unicnn port`: what it writes, what it prints, and one paragraph for everything that can go wrong."""

import json
import sys

import pytest

from unicnn.cli import main
from unicnn.files import load_weights

pytest.importorskip("torch", reason="the networks of these tests are PyTorch's")

NET = """
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class Small(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(144, classes)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))


net = Small()


def needs(classes):
    return Small(classes)


class Probable(Small):
    def forward(self, x):
        return F.softmax(super().forward(x), dim=1)


class Sorting(nn.Module):
    def forward(self, x):
        return torch.sort(x.flatten(1))[0]


number = 7
"""


@pytest.fixture
def port(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)

    def run(*arguments, command="port"):
        monkeypatch.setattr(sys, "argv", ["unicnn", command, *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


TO_TORCH = ("--to", "torch", "-o", "port.py")


class TestAPort:
    def test_writes_source_weights_and_certificate(self, port, tmp_path):
        code, out, _ = port("net.py:net", "--input", "1,1,8,8", *TO_TORCH)
        assert code == 0, out
        assert "Proven" in out
        assert "class Small(nn.Module)" in (tmp_path / "port.py").read_text()
        assert "unicnn" not in (tmp_path / "port.py").read_text()
        assert load_weights(tmp_path / "port.safetensors")["conv.weight"].shape == (4, 1, 3, 3)
        assert json.loads((tmp_path / "port.certificate.json").read_text())["proven"] is True

    def test_of_a_class_makes_the_network_first(self, port, tmp_path):
        code, _, _ = port("net.py:Small", "--input", "1,1,8,8", *TO_TORCH, "--weights", "w.safetensors", "--no-proof")
        assert code == 0
        assert (tmp_path / "w.safetensors").exists()
        assert not (tmp_path / "port.certificate.json").exists()

    def test_of_a_network_of_the_zoo_needs_no_input(self, port, tmp_path):
        code, _, _ = port("lenet", *TO_TORCH, "--no-proof")
        assert code == 0
        assert "class LeNet(nn.Module)" in (tmp_path / "port.py").read_text()

    def test_that_cannot_be_proven_keeps_the_files_and_exits_1(self, port, tmp_path, monkeypatch):
        from unicnn.porting import emitting

        right = emitting.emit
        monkeypatch.setattr(emitting, "emit", lambda *given, **options: right(*given, **options).replace("F.relu(", "F.silu("))
        code, out, _ = port("net.py:net", "--input", "1,1,8,8", *TO_TORCH)
        assert code == 1
        assert "relu1 (ReLU) is the first to differ" in " ".join(out.split())
        assert (tmp_path / "port.py").exists()
        assert json.loads((tmp_path / "port.certificate.json").read_text())["proven"] is False


class TestAPortThatWasEdited:
    def test_is_refuted_by_verify(self, port, tmp_path):
        assert port("net.py:net", "--input", "1,1,8,8", *TO_TORCH, "--no-proof")[0] == 0
        again = ("net.py:net", "port.py", "--input", "1,1,8,8", "--to", "torch")
        text = (tmp_path / "port.py").read_text()
        (tmp_path / "port.py").write_text(text.replace("F.relu(", "F.leaky_relu("))
        code, out, _ = port(*again, "--json", "-", command="verify")
        assert code == 1
        assert json.loads(out)["proven"] is False

    def test_is_told_when_it_is_not_there(self, port):
        code, _, err = port("net.py:net", "nowhere.py", "--input", "1,1,8,8", "--to", "torch", command="verify")
        assert code == 2
        assert "there is no such file" in err


WRONG = {
    "no-input": (("net.py:net",), "Give --input"),
    "an-input-that-is-no-shape": (("net.py:net", "--input", "1,x"), "is no shape"),
    "an-input-that-does-not-fit": (("net.py:net", "--input", "1,3,8,8"), "Small cannot be run on an input of 1x3x8x8"),
    "no-such-file": (("other.py:net", "--input", "1,1,8,8"), "there is no such file"),
    "no-name": (("net.py", "--input", "1,1,8,8"), "net.py:net"),
    "a-misspelt-name": (("net.py:nett", "--input", "1,1,8,8"), "Did you mean 'net'?"),
    "something-else": (("net.py:number", "--input", "1,1,8,8"), "is no network of any framework"),
    "a-factory-with-arguments": (("net.py:needs", "--input", "1,1,8,8"), "needs the argument classes"),
    "an-op-that-no-description-has": (("net.py:Sorting", "--input", "1,1,8,8"), "return torch.sort(x.flatten(1))[0]"),
    "probabilities-for-a-loss-of-scores": (
        ("net.py:Probable", "--input", "1,1,8,8", "--recipe", "lenet"),
        "probable/softmax1 (Softmax) makes probabilities",
    ),
    "no-such-network": (("lenett",), "Did you mean 'lenet'?"),
    "no-such-recipe": (("lenet", "--recipe", "lennet"), "Did you mean 'lenet'?"),
    "no-such-style": (("lenet", "--style", "baroque"), "baroque"),
    "a-missing-onnx-file": (("model-symbol.json", "--input", "1,1,8,8"), "model-symbol.json"),
}


class TestBadInput:
    @pytest.mark.parametrize("name", WRONG)
    def test_is_one_paragraph_and_writes_nothing(self, port, tmp_path, name):
        arguments, said = WRONG[name]
        code, out, err = port(*arguments, *TO_TORCH)
        assert code == 2, out + err
        assert said in err
        assert len(err.strip().splitlines()) == 1
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".pyc" and path.name != "__pycache__") == ["net.py"]

    def test_a_dialect_that_nobody_speaks_is_named_with_the_closest(self, port):
        code, _, err = port("lenet", "--to", "pytorch", "-o", "port.py")
        assert code == 2
        assert "Did you mean 'torch'?" in err

    def test_the_network_itself_is_never_replaced(self, port, tmp_path):
        code, _, err = port("net.py:net", "--input", "1,1,8,8", "--to", "torch", "-o", "net.py", "--force")
        assert code == 2
        assert "is the network itself" in err
        assert (tmp_path / "net.py").read_text() == NET

    def test_files_that_exist_are_replaced_only_by_force(self, port, tmp_path):
        (tmp_path / "port.py").write_text("mine")
        code, _, err = port("lenet", *TO_TORCH, "--no-proof")
        assert code == 2
        assert "--force" in err
        assert (tmp_path / "port.py").read_text() == "mine"
        assert port("lenet", *TO_TORCH, "--no-proof", "--force")[0] == 0
        assert (tmp_path / "port.py").read_text() != "mine"

    def test_a_folder_that_is_not_there_is_told_before_anything_is_run(self, port):
        code, _, err = port("lenet", "--to", "torch", "-o", "nowhere/port.py")
        assert code == 2
        assert "there is no folder nowhere" in err
