"""The pytest plugin: options, and a scorecard at the end. It is loaded wherever unicnn is installed, and imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from unicnn.conformance.kit import Verdict
    from unicnn.conformance.target import Target

RESULT: pytest.StashKey[tuple[Target, Verdict]] = pytest.StashKey()
PROPERTY = "unicnn"
"""The user property under which a verdict travels from a worker of pytest-xdist."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("unicnn", "conformance of unicnn backends")
    group.addoption("--unicnn-backend", metavar="A,B", default="", help="test only these backends")
    group.addoption("--unicnn-device", metavar="DEVICE", default="cpu", help="test on this device (cpu)")
    group.addoption("--unicnn-require", metavar="A,B", default="", help="fail instead of skipping if these devices or backends are missing")
    group.addoption("--unicnn-record", metavar="FILE", help="write what the backend computes to FILE, a safetensors file")
    group.addoption("--unicnn-against", metavar="FILE", help="compare with what was recorded in FILE, elsewhere or with another version")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of cases that take seconds."""
    config.addinivalue_line("markers", "slow: takes seconds or minutes")
    options = Options.of(config)
    if options.against is not None:
        from unicnn.conformance.record import Record
        from unicnn.errors import DataError

        try:
            Record.load(options.against)
        except DataError as error:
            raise pytest.UsageError(f"--unicnn-against {error}") from None
    config.pluginmanager.register(Collector(options), "unicnn-collector")


@dataclass(frozen=True)
class Options:
    """Hold what the command line says."""

    backends: tuple[str, ...]
    device: str
    require: tuple[str, ...]
    record: Path | None
    against: Path | None

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Return the options of a run."""

        def listed(name: str) -> tuple[str, ...]:
            return tuple(item.strip() for item in str(config.getoption(name, "") or "").split(",") if item.strip())

        def file(name: str) -> Path | None:
            value = config.getoption(name, None)
            return None if value is None else Path(value)

        return cls(
            listed("--unicnn-backend"),
            str(config.getoption("--unicnn-device", "cpu")),
            listed("--unicnn-require"),
            file("--unicnn-record"),
            file("--unicnn-against"),
        )


class Collector:
    """Gather the verdicts of a run, those of other processes too."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.kept: list[tuple[Target, Verdict]] = []
        self.comparison: list[str] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the conformance tests of backends that were not asked for."""
        wanted = self.options.backends
        if not wanted:
            return
        outside = [item for item in items if _backend(item) not in (None, *wanted)]
        if outside:
            config.hook.pytest_deselected(items=outside)
            items[:] = [item for item in items if item not in set(outside)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Send the verdict along with the report."""
        report: Any = yield
        result = item.stash.get(RESULT, None)
        if result is not None and call.when == "call":
            target, verdict = result
            row: dict[str, Any] = {
                "case": verdict.case,
                "level": verdict.level,
                "op": verdict.op,
                "outcome": verdict.outcome,
                "detail": verdict.detail,
            }
            row |= {"ratio": verdict.ratio, "seconds": verdict.seconds}
            report.user_properties.append((PROPERTY, json.dumps([target.title, row])))
            if self.options.record or self.options.against:
                self.kept.append(result)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the verdict of a test, wherever it ran."""
        for name, value in report.user_properties:
            if name == PROPERTY and report.when == "call":
                title, row = json.loads(str(value))
                self.rows.setdefault(title, []).append(row)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write or read recorded results; a worker of pytest-xdist leaves a part for the main process."""
        if self.kept or self.rows:
            from unicnn.conformance import record

            record.finish(self, getattr(session.config, "workerinput", {}).get("workerid"))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the scorecards."""
        if not self.rows:
            return
        from unicnn.conformance.scorecard import Scorecard, lines

        terminalreporter.section("unicnn conformance")
        for title, rows in self.rows.items():
            terminalreporter.write_line("\n".join(lines(Scorecard.of_rows(title, rows))))
        for line in self.comparison:
            terminalreporter.write_line(line)


def _backend(item: pytest.Item) -> str | None:
    """Return the backend that a conformance test is about, or None for any other test."""
    cls = getattr(item, "cls", None)
    return getattr(cls, "backend", None) if any(base.__name__ == "BackendConformance" for base in getattr(cls, "__mro__", ())) else None
