"""Read the facts: one TOML file per family of ops, one table per op, one subtable per framework."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urljoin

from unicnn.explain.table import Explanation, Framework, Row, Trap

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FAMILIES = ("conv", "pool", "linear", "norm", "activation", "shape", "merge", "loss")

_Facts = Mapping[str, Any]


@cache
def explanations() -> dict[str, Explanation]:
    """Return every op's explanation by the op's name, family after family."""
    frameworks = _load("frameworks")
    return {op: _explanation(op, family, facts, frameworks) for family in FAMILIES for op, facts in _load(family).items()}


def _load(name: str) -> dict[str, Any]:
    text = (files("unicnn.explain") / "facts" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _explanation(op: str, family: str, facts: _Facts, frameworks: _Facts) -> Explanation:
    return Explanation(
        op=op,
        family=family,
        meaning=facts["meaning"],
        formula=facts["formula"].strip(),
        call=facts["call"],
        aliases=tuple(facts.get("aliases", ())),
        rows=tuple(_row(facts[key], key, about) for key, about in frameworks.items()),
    )


def _row(facts: _Facts, key: str, about: _Facts) -> Row:
    framework = Framework(key, about["title"], about["versions"])
    source = urljoin(about["base"], facts["source"])
    return Row(
        framework=framework,
        call=None if facts["call"] == "none" else facts["call"],
        source=source,
        also=tuple(facts.get("also", ())),
        chosen=tuple(facts.get("chosen", ())),
        instead=facts.get("instead"),
        verified_on=_verified_on(facts, framework),
        traps=tuple(
            Trap(
                text=trap["text"],
                source=urljoin(about["base"], trap["source"]) if "source" in trap else source,
                verified_on=_verified_on(trap, framework),
            )
            for trap in facts.get("traps", ())
        ),
    )


def _verified_on(facts: _Facts, framework: Framework) -> str | None:
    return framework.versions if facts.get("verified", False) else None
