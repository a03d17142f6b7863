"""Lines that repeat themselves become loops, and only those that do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unicnn.porting.outline import Argument
from unicnn.porting.outline.lines import Line, Loop, fitted, looped, positional, quoted, written


def spelt(line: Line) -> str:
    first, named = positional(line.arguments)
    return f"{line.callee}({', '.join([quoted(line.name), *line.inputs, *first, *named])})"


def parts(*sizes: int, start: int = 1, stem: str = "block") -> list[Line]:
    """Return calls of a part with one number each."""
    return [
        Line("x", "block", (Argument("channels", size),), f"{stem}{i}", ("x",), part=True, shape=(size, 8, 8))
        for i, size in enumerate(sizes, start)
    ]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (parts(8, 8, 8), ["for i in range(1, 4):", '    x = block(f"block{i}", x, 8)']),
        (parts(8, 8, 8, start=0), ["for i in range(3):", '    x = block(f"block{i}", x, 8)']),
        (parts(8, 8), ['x = block("block1", x, 8)  # 8x8x8', 'x = block("block2", x, 8)']),
        (parts(4, 6, 8, 10), ["for i in range(1, 5):", '    x = block(f"block{i}", x, 2 + 2 * i)']),
        (parts(3, 2, 1, 0, start=0), ["for i in range(4):", '    x = block(f"block{i}", x, 3 - i)']),
        (parts(1, 2, 3, 4), ["for i in range(1, 5):", '    x = block(f"block{i}", x, i)']),
    ],
    ids=["equal", "from nought", "only two", "growing", "shrinking", "counting"],
)
def test_lines_that_repeat_themselves_are_a_loop(lines: list[Line], text: list[str]) -> None:
    assert written(lines, spelt) == text


@pytest.mark.parametrize(
    "lines",
    [
        parts(4, 6, 8),
        parts(4, 6, 8, 11),
        [replace(line, condition="project") for line in parts(8, 8, 8)],
        [*parts(8), *parts(8, start=3), *parts(8, start=5)],
        [replace(line, inputs=(f"x{i}",)) for i, line in enumerate(parts(8, 8, 8))],
        [replace(line, name=name) for line, name in zip(parts(8, 8, 8), ("first", "second", "third"), strict=True)],
    ],
    ids=["growth of three", "uneven growth", "a condition", "gaps", "other inputs", "no numbers"],
)
def test_lines_that_do_not_are_none(lines: list[Line]) -> None:
    assert not any(isinstance(item, Loop) for item in looped(lines))
    assert looped(lines)[0] == lines[0]


def test_a_loop_has_all_lines_of_a_round() -> None:
    rounds = [replace(line, name=f"{name}{line.name[-1]}") for line in parts(8, 8, 8) for name in ("conv", "relu")]
    (loop,) = looped(rounds)
    assert isinstance(loop, Loop)
    assert [line.name for line in loop.lines] == ["conv{i}", "relu{i}"]
    assert (loop.start, loop.count) == (1, "3")


def test_what_a_round_carries_is_assigned_at_its_end() -> None:
    loop = Loop((replace(parts(8)[0], name="conv{i}", shape=None),), 1, "convs", (("in_channels", "channels"),))
    text = ["for i in range(1, convs + 1):", '    x = block(f"conv{i}", x, 8)', "    in_channels = channels", "return x"]
    assert written([loop], spelt, result="x") == text


def test_neighbours_of_one_condition_share_it() -> None:
    lines = [replace(line, condition="project", shape=None, name=name) for line, name in zip(parts(8, 9), ("a", "b"), strict=True)]
    assert written(lines, spelt) == ["if project:", '    x = block("a", x, 8)', '    x = block("b", x, 9)']


def test_the_last_line_returns_what_it_computes() -> None:
    assert written(parts(8), spelt, result="x") == ['return block("block1", x, 8)  # 8x8x8']
    assert written(parts(8), spelt, result="y")[-1] == "return y"


def test_a_comment_does_not_break_a_line() -> None:
    code = f"    x = {'y' * 78}"
    assert fitted(f"{code}  # 64x56x56") == code
    assert fitted("    x = y  # 64x56x56") == "    x = y  # 64x56x56"
