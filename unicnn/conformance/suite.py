"""The tests that a backend inherits: one class, one test for each level, one parameter for each case."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import pytest

from unicnn import plugins
from unicnn.conformance import differences
from unicnn.conformance.cases import CASES
from unicnn.conformance.kit import REFUSED, AnyCase, check
from unicnn.conformance.plugin import RESULT, Options
from unicnn.conformance.target import Target


class BackendConformance:
    """Test a backend: subclass it, and set `backend` to the backend's name and `device` if it is not the one that the options name."""

    backend: ClassVar[str]
    device: ClassVar[str | None] = None
    tests: ClassVar[dict[str, str]] = {
        "test_gives_the_exact_result": "exact",
        "test_keeps_the_bound": "bounded",
        "test_keeps_the_sharp_bound": "sharp",
        "test_gives_the_identical_bytes": "identical",
        "test_gives_the_special_value": "special",
        "test_keeps_the_relation": "relations",
    }

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test the cases of its level."""
        level = self.tests.get(metafunc.function.__name__)
        if level is not None:
            metafunc.parametrize("case", _parameters(level))

    @pytest.fixture(scope="class")
    def target(self, request: pytest.FixtureRequest) -> Target:
        """Return the backend on the device; skip, or fail if it is required, where either is missing."""
        options = Options.of(request.config)
        return available(self.backend, self.device or options.device, options)

    def test_gives_the_exact_result(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_keeps_the_bound(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_keeps_the_sharp_bound(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_gives_the_identical_bytes(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_gives_the_special_value(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_keeps_the_relation(self, case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
        judge(case, target, request)

    def test_has_no_stale_difference(self, target: Target) -> None:
        assert differences.stale(target.backend, (case.id for case in CASES)) == [], (
            "no case matches these patterns: take them off the list"
        )

    def test_gives_a_reason_for_every_difference(self, target: Target) -> None:
        listed = differences.known(target.backend)
        assert [item.case for item in listed if len(item.reason) < 20 or not item.link.startswith("https://")] == []


@lru_cache(maxsize=8)
def _parameters(level: str) -> list[Any]:
    return [
        pytest.param(case, id=case.id, marks=[pytest.mark.slow] if getattr(case, "slow", False) else [])
        for case in CASES
        if case.level == level
    ]


@lru_cache(maxsize=8)
def _target(backend: str, device: str) -> Target:
    return Target(backend, device)


def available(backend: str, device: str, options: Options) -> Target:
    """Return the target, or skip with the reason why it is missing here; fail if the options require it."""
    found = {item.name: item for item in plugins.discover()}.get(backend)
    missing = None
    if found is None:
        missing, required = f"no plugin brings the backend {backend!r}", True
    elif not found.usable or found.info is None:
        missing, required = f"{backend}: {found.problem}", backend in options.require
    elif device not in found.info.devices():
        missing, required = f"{found.info.title} cannot use the device {device!r} here", device in options.require
    if missing is None:
        return _target(backend, device)
    if required:
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def judge(case: AnyCase, target: Target, request: pytest.FixtureRequest) -> None:
    """Check a case, hand the verdict to the plugin, and fail or skip with its reason."""
    verdict = check(case, target)
    request.node.stash[RESULT] = (target, verdict)
    if verdict.outcome == REFUSED:
        pytest.skip(verdict.detail)
    if verdict.failed:
        pytest.fail(f"{case.id} on {target.title}: {verdict.detail}", pytrace=False)
