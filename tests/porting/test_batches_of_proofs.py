"""A proof runs both sides on as many samples as the original takes, whatever it was read with."""

from __future__ import annotations

from pathlib import Path

import pytest

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.finding import find_network
from unicnn.porting.proof import proving

pytest.importorskip("onnx", reason="the files of these tests are ONNX")
pytest.importorskip("onnxruntime", reason="the files of these tests are ONNX")
import onnx

from .emitted import executed


def saved(folder: Path, batch: int | str) -> Path:
    """Write a small network into a file that says how many samples it takes."""
    model = un.Sequential([un.Conv2d(3, 3), un.ReLU(), un.Flatten(), un.Linear(4)], input=(1, 5, 5), name="small")
    un.save_weights(un.initial_weights(un.infer(model)), folder / "weights.safetensors")
    names = executed(un.emit(model, "onnx"))
    net = names["load_weights"](names["small"](), str(folder / "weights.safetensors"))
    size = net.graph.input[0].type.tensor_type.shape.dim[0]
    size.Clear()
    if isinstance(batch, int):
        size.dim_value = batch
    else:
        size.dim_param = batch
    onnx.save(net, folder / "small.onnx")
    return folder / "small.onnx"


@pytest.mark.parametrize("batch", [1, 3, "N"])
def test_a_file_with_its_own_number_of_samples_is_proven(tmp_path: Path, batch: int | str) -> None:
    original = find_network(str(saved(tmp_path, batch)))
    (tmp_path / "port.py").write_text(un.emit(original, "onnx"))
    certificate = un.verify(original, tmp_path / "port.py", to="onnx")
    assert certificate.proven, certificate.verdict
    assert certificate.samples == (1 if batch == 1 else 2 if batch == "N" else 3)


def test_an_original_that_cannot_run_again_is_told_in_one_paragraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = find_network(str(saved(tmp_path, 1)))
    (tmp_path / "port.py").write_text(un.emit(original, "onnx"))
    monkeypatch.setattr(proving, "recorded_batch", lambda side: 2)
    runner = original.recording.runner
    monkeypatch.setattr(type(runner), "run", lambda *_: 1 / 0)
    with pytest.raises(PortError, match="could not be run again in float64.*ZeroDivisionError"):
        un.verify(original, tmp_path / "port.py", to="onnx")
