"""A proof holds for a right port, names what is wrong with a wrong one, and sees what was changed on purpose."""

import json
import sys

import numpy as np
import pytest

import unicnn as un
from unicnn.porting.proof import proving
from unicnn.porting.proof.certificate import Certificate, Row, Training
from unicnn.porting.proof.steps import plan_of

torch = pytest.importorskip("torch", reason="the ports of these tests are written for PyTorch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 4 * 4, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.fc(x.view(-1, 64))


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    net = Small()
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    return un.from_framework(net, (1, 1, 8, 8))


@pytest.fixture
def prove(original, tmp_path):
    def run(*changes, recipe=None, **options):
        text = un.emit(original, "torch", recipe=recipe)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "port.py"
        file.write_text(text)
        return un.verify(original, file, to="torch", recipe=recipe, **options)

    return run


RECIPE = un.Recipe(optimizer=un.SGD(0.125, momentum=0.5), batch_size=4, epochs=1)


class TestARightPort:
    def test_is_proven_with_every_layer_gradient_and_step(self, prove, original):
        certificate = prove(recipe=RECIPE)
        assert certificate.proven, certificate.verdict
        assert [row.name for row in certificate.layers] == [layer.name for layer in original.model.layers]
        assert {row.name for row in certificate.gradients} == {
            "input", "conv.weight", "conv.bias", "norm.scale", "norm.shift", "fc.weight", "fc.bias",
        }  # fmt: skip
        assert certificate.training.steps == 20
        assert certificate.training.moved > 1e-3
        assert all(row.bounds is not None for row in certificate.layers)
        assert certificate.control > 1e-8
        told = json.loads(certificate.to_json())
        assert told["proven"] is True
        assert told["layers"][0]["name"] == "conv"
        assert told["versions"]["PyTorch"] == torch.__version__

    def test_of_a_description_is_proven_against_the_description(self, tmp_path):
        model = un.Sequential([un.Conv2d(3, 3), un.ReLU(), un.Flatten(), un.Linear(4)], input=(2, 6, 6))
        file = tmp_path / "port.py"
        file.write_text(un.emit(model, "torch"))
        certificate = un.verify(model, file, to="torch", recipe=RECIPE)
        assert certificate.proven, certificate.verdict
        assert certificate.original == "description"
        assert 0 < certificate.worst < 1e-12


class TestAWrongPort:
    def test_with_a_padding_on_the_wrong_side_is_told_so(self, prove):
        certificate = prove(
            ("stride=2, padding=1)", "stride=2)"),
            ("self.conv(x)", "self.conv(F.pad(x, (0, 1, 0, 1)))"),
        )
        assert not certificate.proven
        assert certificate.first.name == "conv"
        assert "TensorFlow's SAME" in certificate.verdict

    def test_with_another_epsilon_is_told_so(self, prove):
        certificate = prove(("nn.BatchNorm2d(4)", "nn.BatchNorm2d(4, eps=1e-3)"))
        assert certificate.first.name == "norm"
        assert "an epsilon of 0.001" in certificate.verdict

    def test_with_another_momentum_is_told_so_without_any_training(self, prove):
        certificate = prove(("nn.BatchNorm2d(4)", "nn.BatchNorm2d(4, momentum=0.9)"))
        assert not certificate.proven
        assert certificate.first.name == "norm"
        assert "PyTorch's momentum is 1 - keep" in certificate.verdict

    def test_with_another_learning_rate_parts_in_training_alone(self, prove):
        certificate = prove(("lr=0.125", "lr=0.25"), recipe=RECIPE)
        assert not certificate.proven
        assert certificate.first is None
        assert "training parts" in certificate.verdict

    def test_that_fails_to_run_is_told_with_its_line(self, prove):
        certificate = prove(("return self.fc(", "return self.nothing("))
        assert not certificate.proven
        assert "nothing" in certificate.verdict
        assert "Traceback" not in certificate.verdict

    def test_that_is_no_python_is_told_so(self, prove):
        certificate = prove(("def forward(self, x):", "def forward(self x):"))
        assert "SyntaxError" in certificate.verdict

    def test_that_ends_its_process_is_told_so(self, prove):
        certificate = prove(("def forward(self, x):", "def forward(self, x):\n        import os; os._exit(3)"))
        assert "exit code 3" in certificate.verdict

    def test_without_an_entry_is_told_what_to_define(self, prove):
        certificate = prove(("class Small(", "class Other("), ("super().__init__()", "nn.Module.__init__(self)"))
        assert "defines no Small" in certificate.verdict


class TestAProofThatCouldNotFail:
    def test_by_outputs_that_are_all_the_same_is_none(self, tmp_path):
        net = Small()
        nn.init.zeros_(net.fc.weight)
        nn.init.zeros_(net.fc.bias)
        dead = un.from_framework(net, (1, 1, 8, 8))
        file = tmp_path / "port.py"
        file.write_text(un.emit(dead, "torch"))
        certificate = un.verify(dead, file, to="torch")
        assert not certificate.proven
        assert "the same number everywhere" in certificate.verdict

    def test_by_a_comparison_that_sees_no_change_is_none(self, prove, monkeypatch):
        monkeypatch.setattr(proving, "changed", lambda name, array, by: array)
        certificate = prove()
        assert not certificate.proven
        assert "changed on purpose" in certificate.verdict


def certificate(**found):
    plain = {
        "network": "n", "original": "o", "port": "p", "file": "f", "sha256": "", "samples": 1, "layers": (), "outputs": (Row("y", "output", (1,), 0.0),),
        "gradients": (), "training": Training(skipped="x"), "control": 1.0, "versions": {},
    }  # fmt: skip
    return Certificate(**(plain | found))


class TestACertificate:
    def test_of_nothing_is_no_proof(self):
        assert certificate().proven
        assert not certificate(outputs=()).proven
        assert not certificate(control=None).proven

    @pytest.mark.parametrize("apart", [2e-10, np.inf, np.nan])
    def test_of_a_difference_is_no_proof(self, apart):
        assert not certificate(layers=(Row("a", "ReLU", (1,), apart),)).proven

    def test_of_an_error_beyond_its_bound_is_no_proof(self):
        assert not certificate(layers=(Row("a", "ReLU", (1,), 0.0, (0.5, 1.5)),)).proven

    @pytest.mark.parametrize("training", [Training(20, 1e-9, 0.0), Training(20, 0.0, 1e-9), Training(20, np.nan, 0.0)])
    def test_of_a_training_that_parts_is_no_proof(self, training):
        assert not certificate(training=training).proven


def test_a_training_with_dropout_is_not_compared_and_says_why():
    model = un.Sequential([un.Flatten(), un.Dropout(0.5), un.Linear(3)], input=(1, 2, 2))
    assert "dropout1 drops other values" in plan_of(RECIPE, un.infer(model), 0).skipped


def test_a_framework_that_is_missing_is_told_with_the_way_out(original, tmp_path, monkeypatch):
    from unicnn.porting.dialect import DialectInfo

    monkeypatch.setattr(DialectInfo, "installed", False)
    (tmp_path / "port.py").write_text("")
    with pytest.raises(un.errors.PortError, match="--python"):
        un.verify(original, tmp_path / "port.py", to="torch")


@pytest.mark.slow
def test_the_port_may_run_under_another_interpreter(prove):
    assert prove(python=sys.executable).proven
