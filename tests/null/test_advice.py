"""Advice about the machine: said where it helps, and nowhere else."""

from __future__ import annotations

import pytest

from unicnn.advice import openblas_note

SLOW = "vendor_id : AuthenticAMD\nflags : fpu avx2 avx512f"


def test_openblas_on_amd_with_avx_512_is_noticed_with_the_remedy() -> None:
    assert "OPENBLAS_CORETYPE=SkylakeX" in str(openblas_note(SLOW, {}))


@pytest.mark.parametrize(
    ("cpu", "environment"),
    [
        pytest.param(SLOW, {"OPENBLAS_CORETYPE": "SkylakeX"}, id="already-set"),
        pytest.param(SLOW.replace("avx512f", ""), {}, id="amd-without-avx-512-where-that-kernel-would-crash"),
        pytest.param(SLOW.replace("AuthenticAMD", "GenuineIntel"), {}, id="intel"),
        pytest.param("", {}, id="unknown-processor"),
    ],
)
def test_nothing_is_said(cpu: str, environment: dict[str, str]) -> None:
    assert openblas_note(cpu, environment) is None
