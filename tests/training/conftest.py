"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .commands import Commands


@pytest.fixture
def unicnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """Return the command line, in a folder with a small network and a recipe for it."""
    return Commands(tmp_path, monkeypatch, capsys)
