"""The documents are true: their Python runs, their tables are what is printed, their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from unicnn import hookspecs, plugins
from unicnn.conformance import document

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.joinpath("docs").glob("*.md"))]
IDS = [page.name for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_in_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not page.parent.joinpath(target).exists()] == []


def columns(text: str) -> list[list[str]]:
    """Return the first three columns of the rows of a table: layer, op, shape."""
    return [line.split()[:3] for line in text.splitlines() if re.match(r" \w+\d?(\.\w+)? +[A-Z]", line)]


def test_the_readme_shows_what_the_demo_prints() -> None:
    if len(plugins.usable()) < 4:
        pytest.skip(f"the README shows all four backends, and only {', '.join(plugins.usable())} can be used here")
    shown = next(block for block in blocks(ROOT / "README.md", "text") if "conv1" in block)
    run = subprocess.run(
        [sys.executable, "-m", "unicnn.cli", "compare", "lenet", "--gradients"],
        capture_output=True,
        text=True,
        check=False,
        env=None,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert len(columns(shown)) == 10 + 19
    assert columns(shown) == columns(run.stdout)
    assert shown.partition(":")[0] == run.stdout.partition(":")[0]
    assert re.sub(r"[\d.]+ of what", "", shown.strip().splitlines()[-1]) == re.sub(
        r"[\d.]+ of what", "", run.stdout.strip().splitlines()[-1]
    )


def test_every_hook_is_documented() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("unicnn_")]
    text = (ROOT / "docs/write_a_backend.md").read_text(encoding="utf-8")
    assert hooks
    assert [name for name in hooks if f"`{name}`" not in text] == []


@pytest.mark.parametrize(("name", "content"), [pytest.param(*page, id=page[0]) for page in document.pages()])
def test_generated_pages_are_up_to_date(name: str, content: str) -> None:
    if len(plugins.usable()) < 4:
        pytest.skip("the page lists all four backends, and one is not installed here")
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == content, "write it anew: python -m unicnn.conformance.document docs"
