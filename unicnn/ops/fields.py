"""The fields of an op: what a user may write, and the one form it is kept in."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[Pair, Pair]
Check: TypeAlias = Callable[[Any], Any]

Written: TypeAlias = Any
"""A field that may be written shorter than it is kept: 3 for (3, 3). Checkers of types know no converters."""

NO_PADDING: Sides = ((0, 0), (0, 0))


def field(check: Check, *, default: Any = dataclasses.MISSING, **options: Any) -> Any:
    """Declare an op's field: `check` returns the canonical value or raises ValueError saying what is wanted."""
    return dataclasses.field(default=default, metadata={"check": check}, **options)


def integer(minimum: int, maximum: int = 2**63 - 1) -> Check:
    """Accept an integer of at least `minimum`; none is larger than what a machine can count."""

    def check(value: Any) -> int:
        if not isinstance(value, bool):
            try:
                number = operator.index(value)
            except TypeError:
                pass
            else:
                if minimum <= number <= maximum:
                    return number
                if number > maximum:
                    raise ValueError(f"must be an integer from {minimum} to {maximum}")
        raise ValueError(f"must be an integer of at least {minimum}")

    return check


def pair(minimum: int, maximum: int = 2**63 - 1) -> Check:
    """Accept an integer or a pair (vertical, horizontal) of integers from `minimum` to `maximum`."""
    one = integer(minimum, maximum)

    def check(value: Any) -> Pair:
        values = value if is_sequence(value) else (value, value)
        if len(values) != 2:
            raise ValueError("must be one integer or two (vertical, horizontal)")
        return one(values[0]), one(values[1])

    return check


def optional(check: Check) -> Check:
    """Accept None too."""
    return lambda value: None if value is None else check(value)


def sides(value: Any, minimum: int = 0) -> Sides:
    """Accept n, (vertical, horizontal) or ((top, bottom), (left, right))."""
    one = integer(minimum)
    try:
        if not is_sequence(value):
            value = (value, value)
        vertical, horizontal = value
        vertical = vertical if is_sequence(vertical) else (vertical, vertical)
        horizontal = horizontal if is_sequence(horizontal) else (horizontal, horizontal)
        (top, bottom), (left, right) = vertical, horizontal
        return (one(top), one(bottom)), (one(left), one(right))
    except (TypeError, ValueError):
        raise ValueError(f"must be an integer of at least {minimum}, (vertical, horizontal) or ((top, bottom), (left, right))") from None


def padding(value: Any) -> str | Sides:
    """Accept "valid", "same" or explicit sides."""
    if isinstance(value, str):
        if value == "valid":
            return NO_PADDING
        if value == "same":
            return value
        raise ValueError('must be "valid", "same", an integer, (vertical, horizontal) or ((top, bottom), (left, right))')
    return sides(value)


def flag(value: Any) -> bool:
    """Accept true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """Accept a finite number from `low` to `high`, both included."""

    def check(value: Any) -> float:
        if not isinstance(value, (bool, str)):
            try:
                result = float(value)
            except (TypeError, ValueError, OverflowError):
                pass
            else:
                if math.isfinite(result) and low <= result <= high:
                    return result
        span = "" if low == -math.inf else f" of at least {low:g}" if high == math.inf else f" from {low:g} to {high:g}"
        raise ValueError(f"must be a finite number{span}")

    return check


def choice(*allowed: str) -> Check:
    """Accept one of the strings `allowed`."""

    def check(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise ValueError("must be " + " or ".join(f'"{word}"' for word in allowed))

    return check


def integers(minimum: int) -> Check:
    """Accept one integer or a sequence of them, kept as a tuple."""
    one = integer(minimum)

    def check(value: Any) -> tuple[int, ...]:
        return tuple(one(item) for item in (value if is_sequence(value) else (value,)))

    return check


def is_sequence(value: Any) -> bool:
    """Tell lists and tuples from scalars and strings."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def by(values: Iterable[int]) -> str:
    """Format sizes as people write them: ``28x28``."""
    return "x".join(str(value) for value in values)


def brief(value: Any) -> str:
    """Format a field's value for a message: pairs as 3x3, equal sides as one number."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, tuple) for side in value):
        flat = {item for side in value for item in side}
        return str(flat.pop()) if len(flat) == 1 else str(value)
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return by(value)
    return str(value)


def shortest(value: Any) -> Any:
    """Return the shortest spelling of a canonical value: (3, 3) as 3, ((1, 1), (1, 1)) as 1."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, tuple) for side in value):
        value = tuple(shortest(side) for side in value)
        return value[0] if value[0] == value[1] and isinstance(value[0], int) else _sides_or_pair(value)
    if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]:
        return value[0]
    return value


def _sides_or_pair(value: tuple[Any, Any]) -> Any:
    if all(isinstance(side, int) for side in value):
        return value
    return tuple(side if isinstance(side, tuple) else (side, side) for side in value)
