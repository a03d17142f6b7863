"""Finding backends: whatever is wrong with a plugin is a row in a report, and hides no other."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import unicnn as un
from unicnn import plugins
from unicnn.cli import app
from unicnn.errors import BackendError, UnknownNameError

GOOD = """
from unicnn.backend import BackendInfo
from unicnn.hookspecs import hookimpl

@hookimpl
def unicnn_backend():
    return BackendInfo(FIELDS)
"""
FIELDS = {
    "name": "acme",
    "title": "Acme",
    "package": "unicnn_numpy",  # a body that works
    "framework": "numpy",
    "distributions": ("numpy",),
    "install": "pip install acme",
}


def source(**changes: Any) -> str:
    return GOOD.replace("FIELDS", ", ".join(f"{key}={value!r}" for key, value in (FIELDS | changes).items()))


class Site:
    """A folder on the import path, into which plugins are installed as pip would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, text: str | None, name: str = "acme") -> None:
        """Install a distribution with one plugin of the entry-point name `name`, whose module holds `text`."""
        module = f"plugin_{distribution.replace('-', '_')}"
        if text is not None:
            (self.folder / f"{module}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[unicnn]\n{name} = {module}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: Any) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    plugins.discover.cache_clear()
    plugins.backend.cache_clear()
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]
    plugins.discover.cache_clear()
    plugins.backend.cache_clear()


def found(name: str = "acme") -> Any:
    (row,) = [item for item in plugins.discover() if item.name == name]
    return row


NET = un.Sequential([un.Linear(2)], input=(3,))

BROKEN = [
    pytest.param("raise RuntimeError('no licence')", ["fails to load", "RuntimeError: no licence"], id="raises-on-import"),
    pytest.param("import a_module_that_is_not_there", ["fails to load", "ModuleNotFoundError", "a_module_that_is_not_there"], id="lacks-a-dependency"),
    pytest.param("def (", ["fails to load", "SyntaxError"], id="has-a-syntax-error"),
    pytest.param("raise SystemExit('acme needs a licence')", ["fails to load", "SystemExit: acme needs a licence"], id="exits"),
    pytest.param("raise ValueError('one\\n\\n  two\\nthree')", ["ValueError: one two three"], id="raises-several-lines"),
    pytest.param(None, ["fails to load", "ModuleNotFoundError"], id="is-not-there"),
    pytest.param("x = 1", ["does not implement unicnn_backend"], id="has-no-hook"),
    pytest.param(GOOD.replace("@hookimpl\n", ""), ["does not implement unicnn_backend"], id="has-an-unmarked-hook"),
    pytest.param(source().replace("return BackendInfo", "BackendInfo"), ["does not implement unicnn_backend"], id="returns-nothing"),
    pytest.param(GOOD.replace("BackendInfo(FIELDS)", "'acme'"), ["does not implement unicnn_backend"], id="returns-a-string"),
    pytest.param(GOOD.replace("BackendInfo(FIELDS)", "[1, 2]"), ["does not implement unicnn_backend"], id="returns-a-list"),
    pytest.param(GOOD.replace("BackendInfo(FIELDS)", "BackendInfo"), ["does not implement unicnn_backend"], id="returns-a-class"),
    pytest.param(GOOD.replace("BackendInfo(FIELDS)", "BackendInfo('acme')"), ["fails to load", "TypeError"], id="fills-in-half-the-descriptor"),
    pytest.param(source().replace("unicnn_backend()", "unicnn_backend(model)"), ["fails to load", "model"], id="wants-an-argument"),
    pytest.param(source().replace("return", "raise OSError('disk') or"), ["fails to load", "OSError: disk"], id="has-a-hook-that-raises"),
    pytest.param(source().replace("BackendInfo(", "BackendInfo(devices=lambda: 1 / 0, "), ["cannot list its devices", "ZeroDivisionError"], id="cannot-list-its-devices"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BROKEN)
class TestABrokenPlugin:
    def test_is_a_row_with_reason_and_repair(self, site: Site, text: Any, words: Any) -> None:
        site.install("acme-backend", text)
        row = found()
        missing = [word for word in words if word not in row.problem]
        assert not missing, row.problem
        assert not row.usable
        assert row.distribution == "acme-backend"
        assert row.repair == "pip install --force-reinstall acme-backend"
        assert "\n" not in row.problem

    def test_does_not_hide_the_others(self, site: Site, text: Any, words: Any) -> None:
        before = [item.name for item in plugins.discover()]
        plugins.discover.cache_clear()
        site.install("acme-backend", text)
        site.install("better-backend", source(name="better"), "better")
        assert [item.name for item in plugins.discover()] == [*before, "acme", "better"]
        assert {"numpy", "better"} <= set(plugins.usable())
        assert "acme" not in plugins.usable()
        assert un.lower(NET, "better")

    def test_cannot_be_lowered_to(self, site: Site, text: Any, words: Any) -> None:
        site.install("acme-backend", text)
        with pytest.raises(BackendError) as caught:
            un.lower(NET, "acme")
        assert str(caught.value).startswith("The backend 'acme' cannot be used: ")
        assert str(caught.value).endswith("To repair: pip install --force-reinstall acme-backend.")
        assert "\n" not in str(caught.value)


class TestAGoodPlugin:
    def test_is_found_and_runs(self, site: Site) -> None:
        site.install("acme-backend", source())
        assert found().usable
        assert found().info.title == "Acme"
        assert repr(un.lower(NET, "acme")).startswith("<Program model on acme, cpu")

    def test_is_imported_late(self, site: Site) -> None:
        (site.folder / "plugin_body.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
        site.install("acme-backend", source(package="plugin_body"))
        assert found().usable
        assert "plugin_body" not in sys.modules
        with pytest.raises(BackendError, match="fails to import"):
            plugins.backend("acme")

    def test_is_found_once_although_it_is_on_the_path_twice(self, site: Site, monkeypatch: Any) -> None:
        site.install("acme-backend", source())
        monkeypatch.syspath_prepend(site.folder)
        assert found().usable

    def test_built_in_ones_come_first_and_the_rest_by_name(self, site: Site) -> None:
        site.install("zebra-backend", source(name="zebra"), "zebra")
        site.install("acme-backend", source())
        names = [item.name for item in plugins.discover()]
        assert names[0] == "numpy"
        assert names[-2:] == ["acme", "zebra"]


class TestAFrameworkThatIsMissing:
    def test_is_a_row_with_the_command_that_installs_it(self, site: Site) -> None:
        site.install("acme-backend", source(framework="a_framework_that_is_not_there"))
        assert (found().problem, found().repair) == ("Acme is not installed", "pip install acme")
        with pytest.raises(BackendError, match="'acme' cannot be used: Acme is not installed. To repair: pip install acme"):
            un.lower(NET, "acme")

    def test_may_be_a_part_of_a_package_that_is_missing(self, site: Site) -> None:
        site.install("acme-backend", source(framework="a_framework_that_is_not_there.core"))
        assert found().problem == "Acme is not installed"

    def test_without_metadata_has_an_unknown_version(self, site: Site) -> None:
        site.install("acme-backend", source(distributions=("a-distribution-that-is-not-there",)))
        assert found().usable
        assert found().info.version() == "unknown"

    def test_that_does_not_exist_for_this_python_says_so(self, site: Site) -> None:
        site.install("acme-backend", source(python=(3, 7)))
        here = ".".join(map(str, sys.version_info[:2]))
        assert (found().problem, found().repair) == (f"Acme does not exist for Python {here}, the last is 3.7", "use Python 3.7")

    def test_that_exists_up_to_this_python_is_usable(self, site: Site) -> None:
        site.install("acme-backend", source(python=sys.version_info[:2]))
        assert found().usable

    def test_whose_body_fails_to_import_is_refused_at_lowering(self, site: Site) -> None:
        site.install("acme-backend", source(package="a_body_that_is_not_there"))
        with pytest.raises(
            BackendError, match=r"'acme' is installed but fails to import \(ModuleNotFoundError: .*Repair it with: pip install acme"
        ):
            un.lower(NET, "acme")


class TestTwoPluginsOfOneName:
    def test_are_one_row_that_names_both(self, site: Site) -> None:
        site.install("acme-one", source())
        site.install("acme-two", source())
        assert not found().usable
        assert found().problem == "two plugins are called 'acme': acme-one and acme-two"
        with pytest.raises(BackendError, match="acme-one and acme-two"):
            un.lower(NET, "acme")
        assert "numpy" in plugins.usable()

    def test_may_differ_in_the_name_of_the_entry_point(self, site: Site) -> None:
        site.install("acme-one", source(), "one")
        site.install("acme-two", source(), "two")
        assert found().distribution == "acme-one and acme-two"

    def test_may_not_take_the_name_of_a_built_in_one(self, site: Site) -> None:
        site.install("acme-backend", source(name="numpy"))
        with pytest.raises(BackendError, match="two plugins are called 'numpy': acme-backend and unicnn-numpy"):
            un.lower(NET, "numpy")

    def test_are_one_row_even_if_one_is_broken(self, site: Site) -> None:
        site.install("acme-one", source())
        site.install("acme-two", "raise RuntimeError")
        assert found().problem == "two plugins are called 'acme': acme-one and acme-two"


class TestAnUnknownName:
    def test_gets_the_closest(self, site: Site) -> None:
        site.install("acme-backend", source())
        with pytest.raises(UnknownNameError, match="There is no backend called 'acne'. Did you mean 'acme'?"):
            un.lower(NET, "acne")

    def test_with_none_installed_gets_the_command(self, site: Site, monkeypatch: Any) -> None:
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
        with pytest.raises(UnknownNameError, match="'numpy'. No backend is installed: pip install unicnn-numpy"):
            un.lower(NET, "numpy")
        with pytest.raises(un.UnicnnError, match="no backend to compare"):
            un.compare(NET, None)


class TestTheReport:
    def test_shows_reason_and_repair(self, site: Site) -> None:
        site.install("acme-backend", "raise RuntimeError('no licence')")
        result = CliRunner().invoke(app, ["backends"])
        text = " ".join(result.stdout.split())
        assert result.exit_code == 0
        assert (
            "acme cannot be used: fails to load (RuntimeError: no licence). To repair: pip install --force-reinstall acme-backend" in text
        )
        assert "unicnn-numpy" in text

    def test_shows_what_looks_like_markup_as_it_is(self, site: Site) -> None:
        site.install("acme-backend", "raise RuntimeError('[/] [bold] needs acme[gpu]')")
        result = CliRunner().invoke(app, ["backends"])
        assert result.exit_code == 0, result.exception
        assert "[/] [bold] needs acme[gpu]" in " ".join(result.stdout.split())

    def test_holds_the_same_as_json(self, site: Site) -> None:
        site.install("acme-backend", "raise RuntimeError('no licence')")
        site.install("better-backend", source(name="better"), "better")
        result = CliRunner().invoke(app, ["backends", "--json", "-"])
        rows = {row["name"]: row for row in json.loads(result.stdout)["backends"]}
        assert rows["acme"] == {
            "name": "acme", "installed": False, "version": None, "devices": [], "plugin": "acme-backend",
            "reason": "fails to load (RuntimeError: no licence)", "repair": "pip install --force-reinstall acme-backend",
        }  # fmt: skip
        assert rows["better"]["installed"]
        assert rows["better"]["devices"] == ["cpu"]
        assert (rows["better"]["reason"], rows["better"]["repair"]) == (None, None)

    def test_without_any_backend_says_how_to_get_one(self, site: Site, monkeypatch: Any) -> None:
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
        result = CliRunner().invoke(app, ["backends"])
        assert "No backend is installed. Install one: pip install unicnn-numpy" in " ".join(result.stdout.split())
