"""The golden files are what is written today, and clean."""

from __future__ import annotations

import pytest

from tests.porting.emitted import complaints
from tests.porting.golden import NETWORKS, dialects, path, source


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dialect", dialects())
def test_a_golden_file_is_up_to_date(dialect: str, network: str) -> None:
    kept = path(dialect, network).read_text(encoding="utf-8")
    assert source(dialect, network) == kept, "Read what changed, then: python -m tests.porting.golden"
    assert complaints(kept) == ""


def test_a_complaint_is_heard() -> None:
    assert "F401" in complaints("import os\n")
