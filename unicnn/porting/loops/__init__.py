"""What training loops in every framework have in common: a recipe's words as Python, and the frame around a step."""

from unicnn.porting.loops.formulas import Formula, formula, spelled
from unicnn.porting.loops.frame import Frame, assembled, joined
from unicnn.porting.loops.rates import constant, counters, factor_function, rate_function
from unicnn.porting.loops.words import call, constants, divided, reason, weighted

__all__ = [
    "Formula",
    "Frame",
    "assembled",
    "call",
    "constant",
    "constants",
    "counters",
    "divided",
    "factor_function",
    "formula",
    "joined",
    "rate_function",
    "reason",
    "spelled",
    "weighted",
]
