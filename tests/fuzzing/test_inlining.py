"""Taking source out of its package: what it needs comes along, what did not run is left behind, and it computes the same."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unicnn.conformance.fuzzing.inlining import Inliner, NotInlinable, Piece, used
from unicnn.conformance.fuzzing.pruning import pruned, run_recorded

Make = Callable[..., ModuleType]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return a function that writes a package `inlined` of modules and imports one of them."""
    root = tmp_path / "inlined"
    root.mkdir()
    root.joinpath("__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def make(**modules: str) -> ModuleType:
        for name, source in modules.items():
            root.joinpath(f"{name}.py").write_text("from __future__ import annotations\n" + textwrap.dedent(source), encoding="utf-8")
        return importlib.import_module(f"inlined.{next(iter(modules))}")

    from unicnn.conformance.fuzzing import inlining

    yield make
    inlining.source_of.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "inlined"]:
        del sys.modules[name]


def text_of(function: Any, call: str, *, prune: bool = True) -> str:
    """Return the text of a function and what it needs, after it has been called once."""
    inliner = Inliner(("inlined",))
    inliner.add(function)
    pieces = [*inliner.all(), Piece((), call)]
    if prune:
        pieces = pruned(pieces, run_recorded(pieces, {}))
    return "\n".join(piece.text for piece in [*used(pieces[:-1], pieces[-1].needs), pieces[-1]])


def result(text: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, scope)
    return scope["result"]


def test_helpers_constants_and_imports_come_along(package: Make) -> None:
    main = package(
        main="""
        import math
        from inlined.other import STEP, half as halved

        def double(x: float) -> float:
            return halved(4 * x) + STEP - STEP + math.floor(0.5)
        """,
        other="""
        from fractions import Fraction

        # How far.
        STEP: int = 3
        UNUSED = 1

        def half(x: float) -> Fraction:
            return Fraction(x) / 2
        """,
    )
    text = text_of(main.double, "result = double(5)")
    assert result(text) == 10
    assert "# How far.\nSTEP = 3" in text
    assert "UNUSED" not in text
    assert "inlined" not in text
    assert "->" not in text


def test_things_of_one_name_are_told_apart(package: Make) -> None:
    main = package(
        main="""
        from inlined import other

        def sum(x):
            return other.sum(x) + other.apply(x)

        def apply(x):
            return sum(x)
        """,
        other="""
        def sum(x):
            return 10 * x

        def apply(x):
            return 100 * x
        """,
    )
    text = text_of(main.apply, "result = apply(1)")
    assert result(text) == 110
    assert "main_sum" in text
    assert "other_sum" in text


def test_decorators_of_the_package_go_and_others_stay(package: Make) -> None:
    main = package(
        main='''
        import functools

        def mark(function):
            raise_nothing = function
            return raise_nothing

        @mark
        @functools.cache
        def one(
            x: int,  # of a kind
            *,
            step: int = 1,
        ) -> int:  # fmt: skip
            """Return more.

            Much is said of it.
            """
            return x + step
        '''
    )
    text = text_of(main.one, "result = one(1, step=2)")
    assert result(text) == 3
    assert "@functools.cache\ndef one(x, *, step=1):" in text
    assert '"""Return more."""' in text
    assert "mark" not in text
    assert "Much" not in text
    assert "fmt" not in text


BRANCHES = '''
    def f(x):
        """Choose."""
        y = 1 if x > 0 else unused(x)
        # Of large ones.
        if x > 10:
            return unused(y)
        elif x > 5:
            y += 1  # of medium ones
            return (2 if y else 3) * y
        elif x > 3:
            return unused(x)
        else:
            return other(x)
        return unused(x)

    def unused(x):
        return x

    def other(x):
        return x
'''


@pytest.mark.parametrize(("given", "wanted"), [(20, 1), (7, 4), (4, 4), (1, 1), (-1, -1)])
def test_only_the_branch_that_ran_is_left(given: int, wanted: int, package: Make) -> None:
    main = package(main=BRANCHES)
    text = text_of(main.f, f"result = f({given})")
    assert result(text) == wanted
    assert " if " not in text
    assert "elif" not in text


def test_branches_that_went_both_ways_stay(package: Make) -> None:
    main = package(main=BRANCHES)
    text = text_of(main.f, "result = [f(x) for x in (7, 4)]")
    assert result(text) == [4, 4]
    assert "    if x > 5:\n" in text
    assert "of medium ones" in text
    assert "x > 10" not in text
    assert "else:" not in text


def test_what_an_error_kept_from_running_stays(package: Make) -> None:
    main = package(main=BRANCHES)
    text = text_of(main.f, "result = f(None)")
    assert "elif x > 5" in text


def test_a_class_comes_along(package: Make) -> None:
    main = package(
        main="""
        from typing import NamedTuple
        Pair = tuple[int, int]

        class Place(NamedTuple):
            at: Pair
            size: int = 2

        def area(x):
            return Place((x, x)).size * x
        """
    )
    text = text_of(main.area, "result = area(4)")
    assert result(text) == 8
    assert "at: object" in text


def test_a_module_handed_on_as_a_value_cannot_be_inlined(package: Make) -> None:
    main = package(main="from inlined import other\ndef f(x):\n    return other.value + x\n", other="from math import pi as value\n")
    with pytest.raises(NotInlinable):
        text_of(main.f, "f(1)")
