"""The tests are tested: every saboteur is killed, at the level that is meant to, and nobody else is."""

from __future__ import annotations

import pytest

from .judging import FAILED, judged
from .saboteur import Saboteur
from .saboteurs import INNOCENT, SABOTEURS
from .table import PAGE, page, row, rows_of


def _name(saboteur: Saboteur) -> str:
    return saboteur.name


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=_name)
def test_is_killed_by_the_levels_that_are_meant_to(saboteur: Saboteur) -> None:
    judgement = judged(saboteur)
    assert judgement.refused == (), "the honest backend fails these cases"
    assert judgement.first is not None, f"{saboteur.name} survives: no case notices what {saboteur.wrong}"
    assert set(saboteur.levels) <= set(judgement.killers)
    if saboteur.each:
        assert judgement.missed(saboteur.ops) == []
    assert row(saboteur, judgement) == rows_of(PAGE.read_text(encoding="utf-8"))[saboteur.name], "run python -m tests.meta.table"


@pytest.mark.parametrize("innocent", INNOCENT, ids=_name)
def test_is_left_alive_for_it_is_right(innocent: Saboteur) -> None:
    assert [(kill.case.id, kill.detail) for kill in judged(innocent).kills if kill.outcome == FAILED] == []


def test_the_page_about_saboteurs_is_what_its_rows_make() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(rows_of(text)), "run python -m tests.meta.table"


def test_saboteurs_are_many_and_told_apart() -> None:
    assert len({saboteur.name for saboteur in SABOTEURS}) == len(SABOTEURS) >= 45
    assert all(saboteur.levels for saboteur in SABOTEURS)
