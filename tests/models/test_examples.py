"""Every example runs on every backend; each asserts the numbers of its tutorial."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[2].joinpath("examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_holds(path: Path, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(path))["main"](backend)
    assert len(capsys.readouterr().out) > 80


def test_every_example_is_listed_in_the_readme() -> None:
    listed = Path(__file__).parents[2].joinpath("examples/README.md").read_text()
    assert len(EXAMPLES) >= 5
    assert [path.name for path in EXAMPLES if f"`{path.name}`" not in listed] == []
