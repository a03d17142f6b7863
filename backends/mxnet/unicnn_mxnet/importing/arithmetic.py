"""Writing down arithmetic of values, constants and numbers."""

from __future__ import annotations

from unicnn_mxnet.importing.heard import Heard
from unicnn_mxnet.importing.page import Page, writes

_PAIRS = {
    **dict.fromkeys(("elemwise_add", "broadcast_add", "_grad_add", "_scatter_elemwise_add"), "add"),
    **dict.fromkeys(("elemwise_sub", "broadcast_sub"), "sub"),
    **dict.fromkeys(("elemwise_mul", "broadcast_mul"), "mul"),
    **dict.fromkeys(("elemwise_div", "broadcast_div", "_scatter_elemwise_div"), "div"),
    **dict.fromkeys(("_maximum", "broadcast_maximum"), "maximum"),
    **dict.fromkeys(("_minimum", "broadcast_minimum"), "minimum"),
}
_NUMBERS = {
    **dict.fromkeys(("_plus_scalar", "_scatter_plus_scalar"), "add"),
    **dict.fromkeys(("_minus_scalar", "_scatter_minus_scalar"), "sub"),
    "_mul_scalar": "mul",
    "_div_scalar": "div",
    "_maximum_scalar": "maximum",
    "_minimum_scalar": "minimum",
    "_greater_scalar": "greater",
}
_SWAPPED = {"_rminus_scalar": "sub", "_rdiv_scalar": "div"}
_SINGLE = {"negative": "neg", **{name: name for name in ("exp", "expm1", "log", "sqrt", "rsqrt", "square", "abs")}}
_POWERS = {1.0: "identity", 2.0: "square", 0.5: "sqrt", -0.5: "rsqrt"}


@writes(*_PAIRS)
def pair(heard: Heard, page: Page) -> None:
    page.last(_PAIRS[heard.op], *heard.operands)


@writes(*_NUMBERS)
def with_number(heard: Heard, page: Page) -> None:
    word, number = _NUMBERS[heard.op], heard.number("scalar", 1.0)
    if (word, number) in (("mul", 1.0), ("div", 1.0)):  # Swish(beta=1) multiplies by it
        page.last("identity", heard.operands[0])
    else:
        page.last(word, heard.operands[0], number)


@writes(*_SWAPPED)
def from_number(heard: Heard, page: Page) -> None:
    page.last(_SWAPPED[heard.op], heard.number("scalar", 1.0), heard.operands[0])


@writes(*_SINGLE)
def single(heard: Heard, page: Page) -> None:
    page.last(_SINGLE[heard.op], heard.operands[0])


@writes("_power_scalar")
def power(heard: Heard, page: Page) -> None:
    exponent = heard.number("scalar", 1.0)
    if exponent in _POWERS:
        page.last(_POWERS[exponent], heard.operands[0])
    elif exponent == -1.0:
        page.last("div", 1.0, heard.operands[0])
    elif exponent == 3.0:
        page.last("power", heard.operands[0], exponent)
    else:
        page.foreign(f"exponent={exponent}")


@writes("where")
def where(heard: Heard, page: Page) -> None:
    page.last("where", *heard.operands)


@writes("reciprocal")
def reciprocal(heard: Heard, page: Page) -> None:
    page.last("div", 1.0, heard.operands[0])


@writes("clip")
def clip(heard: Heard, page: Page) -> None:
    page.last("clip", heard.operands[0], low=heard.number("a_min", float("-inf")), high=heard.number("a_max", float("inf")))


@writes("add_n")
def add_n(heard: Heard, page: Page) -> None:
    total, *others = heard.operands
    for operand in others[:-1]:
        total = page.step("add", (total, operand), heard.shapes[0])
    if others:
        page.last("add", total, others[-1])
    else:
        page.last("identity", total)
