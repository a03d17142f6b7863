"""What a saboteur is: the NumPy backend with one thing broken, as data, and the ways in which a function is broken."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.plan import Argument, Plan

Array: TypeAlias = np.ndarray[Any, Any]
Function: TypeAlias = Callable[..., Any]
Change: TypeAlias = Callable[[Function], Function]
"""Make a broken function of the honest one."""
GradientChange: TypeAlias = Callable[[Argument, Array, int], Array]
"""Return what comes out as the gradient of an argument, given the true one and the number of samples."""
ResultChange: TypeAlias = Callable[[Plan, Sequence[Array], Sequence[Array]], Sequence[Array]]
"""Return what comes out beside gradients, given the plan, its arguments and the true results."""


@dataclass(frozen=True, eq=False)
class Saboteur:
    """Break one thing.

    `wrong` says in one sentence what it does, `ops` whose cases it has to pass, `levels` which levels must kill it. `breaks` holds
    a change for each broken function of the op table ("*" stands for all ops), `gradients` and `beside` change what comes out of
    the backward pass, `primitives` break the module `exact` of identical numerics, `core` by "module:name" the core, and `runtime`
    methods of the runtime. `settings` is a pattern of the names of settings in which the fault can be seen at all; `each` says
    that every op has to notice by itself.
    """

    name: str
    wrong: str
    ops: tuple[str, ...]
    levels: tuple[str, ...]
    breaks: Mapping[str, Change] = field(default_factory=dict)
    gradients: GradientChange | None = None
    beside: ResultChange | None = None
    primitives: Mapping[str, Change] = field(default_factory=dict)
    core: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    runtime: Mapping[str, Change] = field(default_factory=dict)
    settings: str = "*"
    each: bool = False


def given(**attributes: Callable[[Any], Any]) -> Change:
    """Change the attributes that a function is called with."""

    def change(honest: Function) -> Function:
        @functools.wraps(honest)
        def broken(*operands: Any, **given: Any) -> Any:
            return honest(*operands, **{name: attributes[name](value) if name in attributes else value for name, value in given.items()})

        return broken

    return change


def taking(other: Callable[..., tuple[Any, ...]]) -> Change:
    """Change the operands that a function is called with."""

    def change(honest: Function) -> Function:
        @functools.wraps(honest)
        def broken(*operands: Any, **attributes: Any) -> Any:
            return honest(*other(*operands), **attributes)

        return broken

    return change


def giving(other: Callable[[Any], Any]) -> Change:
    """Change the result of a function, or the first of several."""

    def change(honest: Function) -> Function:
        @functools.wraps(honest)
        def broken(*operands: Any, **attributes: Any) -> Any:
            found = honest(*operands, **attributes)
            return (other(found[0]), *found[1:]) if isinstance(found, tuple) else other(found)

        return broken

    return change


def instead(other: Function) -> Change:
    """Put another function in the place of the honest one."""
    return lambda honest: functools.wraps(honest)(other)


def around(other: Callable[..., Any]) -> Change:
    """Call `other` with the honest function before the operands."""
    return lambda honest: functools.wraps(honest)(functools.partial(other, honest))
