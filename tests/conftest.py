"""What all tests share: the backends that are installed, each a parameter of its own."""

from __future__ import annotations

from typing import Any

import pytest

from unicnn import plugins


def backend_parameters() -> list[Any]:
    """Return one parameter for each plugin; one that cannot be used is skipped with the reason."""
    return [
        pytest.param(item.name, id=f"{item.name}-cpu", marks=() if item.usable else pytest.mark.skip(reason=f"{item.name}: {item.problem}"))
        for item in plugins.discover()
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `backend` once on each."""
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", backend_parameters())
