"""The document about saboteurs: what each does wrong, and which levels notice. Run ``python -m tests.meta.table`` to write it anew."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from .judging import LEVELS, Judgement, judged
from .saboteur import Saboteur
from .saboteurs import FAMILIES, SABOTEURS

PAGE = Path(__file__).parents[2] / "docs" / "saboteurs.md"
NONE = "-"

INTRODUCTION = """\
# Saboteurs

Who tests the tests? Each row is a saboteur: the NumPy backend with one thing broken on purpose. It is run on a sample of the
conformance cases of the ops that it touches, and a test demands that at least one of them fails. The backend as it is passes all of
them. Run `python -m tests.meta.table` to write this page anew.

Read `12/24` as: of 24 cases of that level, 12 noticed. `0/24` means that the level is blind to this fault, `-` that it has no case
there. A sharp case does not fail, it warns, so it kills nobody. Under identical numerics a backend is asked for sums of whole numbers
and little else, and one whose sums are wrong is found out before it starts and made to compute in another way; so `identical` is
blind to most faults of a framework's own functions, and alone sees those of what it is made of itself. The last column names the
first case that failed.
"""


def row(saboteur: Saboteur, judgement: Judgement) -> str:
    """Return a saboteur's row."""
    cells = [_cell(*judgement.count(level)) for level in LEVELS]
    first = "nobody" if judgement.first is None else f"`{judgement.first.case.id}`"
    return f"| {saboteur.name} | {saboteur.wrong} | {' | '.join(cells)} | {first} |"


def _cell(kills: int, cases: int) -> str:
    return f"{kills}/{cases}" if cases else NONE


def page(rows: Mapping[str, str]) -> str:
    """Return the whole document, given each saboteur's row by name."""
    parts = [INTRODUCTION, summary(list(rows.values()))]
    head = f"| saboteur | what it does | {' | '.join(LEVELS)} | killed first by |\n|{' --- |' * (len(LEVELS) + 3)}\n"
    for title, saboteurs in FAMILIES.items():
        parts.append(f"## {title}\n\n{head}" + "".join(f"{rows[saboteur.name]}\n" for saboteur in saboteurs))
    return "\n".join(parts)


def summary(rows: list[str]) -> str:
    """Return how many saboteurs each level kills, and how many no other does, read off the rows."""
    killers = [_killers(line) for line in rows]
    all_of_them = [(level, sum(level in found for found in killers), sum(found == {level} for found in killers)) for level in LEVELS]
    lines = [f"| {level} | {many} | {alone} |\n" for level, many, alone in all_of_them if level != "sharp"]
    warned = next(many for level, many, _ in all_of_them if level == "sharp")
    return (
        f"{len(rows)} saboteurs, {sum(bool(found - {'sharp'}) for found in killers)} of them killed; sharp warns of {warned}.\n\n"
        "| level | kills | that no other level kills |\n| --- | --- | --- |\n" + "".join(lines)
    )


def _killers(line: str) -> set[str]:
    cells = line.split(" | ")[2 : 2 + len(LEVELS)]
    return {level for level, cell in zip(LEVELS, cells, strict=True) if cell[0] not in "0-"}


def rows_of(text: str) -> dict[str, str]:
    """Return the rows of a document by the saboteur's name."""
    lines = (line for line in text.splitlines() if line.startswith("| "))
    named = {line.split(" | ")[0].removeprefix("| "): line for line in lines}
    return {saboteur.name: named.get(saboteur.name, "") for saboteur in SABOTEURS}


if __name__ == "__main__":
    found = {}
    for place, saboteur in enumerate(SABOTEURS):
        print(f"\r{place}/{len(SABOTEURS)}", end="", file=sys.stderr)
        found[saboteur.name] = row(saboteur, judged(saboteur))
    PAGE.write_text(page(found), encoding="utf-8")
