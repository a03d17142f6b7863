"""Known differences: read strictly, by version and device, and never stale."""

from __future__ import annotations

from typing import Any

import pytest

from unicnn.conformance import differences, kit
from unicnn.conformance.cases import CASES
from unicnn.conformance.differences import Difference
from unicnn.conformance.target import Target
from unicnn.errors import DescriptionError

BY_ID = {case.id: case for case in CASES}
CASE = BY_ID["relu/plain-of-a-vector/exact-lattice-float32"]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes one difference the whole list of NumPy's."""

    def put(**fields: Any) -> None:
        item = Difference(
            **({"case": CASE.id, "kind": "wrong result", "reason": "because", "link": "https://", "versions": ("*",)} | fields)
        )
        monkeypatch.setattr(differences, "known", lambda backend: (item,))

    return put


def test_a_listed_case_that_passes_fails(listed: Any) -> None:
    listed()
    verdict = kit.check(CASE, Target("numpy"))
    assert verdict.outcome == kit.FAILED
    assert verdict.detail.startswith("passes, but is listed as a known difference (because)")


@pytest.mark.parametrize(
    "fields", [{"versions": ("0.1.*",)}, {"devices": ("cuda",)}, {"varies": True}], ids=lambda fields: next(iter(fields))
)
def test_a_listed_case_may_pass_elsewhere(fields: dict[str, Any], listed: Any) -> None:
    listed(**fields)
    assert kit.check(CASE, Target("numpy")).outcome == kit.PASSED


def test_a_listed_case_that_departs_is_known(listed: Any) -> None:
    case = BY_ID["relu/plain-of-a-vector/exact-lattice-float32"]
    listed()
    target = Target("numpy")
    target.program = lambda *_: pytest.fail("departs")  # type: ignore[method-assign]
    with pytest.raises(BaseException, match="departs"):
        kit.check(case, target)
    target.program = None  # type: ignore[method-assign, assignment]
    assert kit.check(case, target).outcome == kit.KNOWN


def test_a_pattern_that_no_case_matches_is_stale(listed: Any) -> None:
    listed(case="relu/no-such-case/*")
    assert differences.stale("numpy", BY_ID) == ["relu/no-such-case/*"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[difference]]\ncase = "a"', "missing"),
        ('[[difference]]\ncase = "a"\nkind = "odd"\nreason = "r"\nlink = "l"\nversions = ["1"]', "kind 'odd' is none of"),
        ('[[difference]]\ncase = "a"\nkind = "crash"\nreason = "r"\nlink = "l"\nversions = "1"', "versions must be a list"),
        ("[[difference]\n", "known_differences.toml cannot be read"),
    ],
    ids=["a-field-is-missing", "the-kind-is-unknown", "versions-are-no-list", "it-is-no-toml"],
)
def test_a_list_that_cannot_be_read_says_why(text: str, message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("known_differences.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(differences.importlib.resources, "files", lambda package: tmp_path)
    differences.known.cache_clear()
    with pytest.raises(DescriptionError, match=message):
        differences.known("numpy")
    differences.known.cache_clear()
