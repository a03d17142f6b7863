"""Comparing backends: layer by layer against the exact result, end to end against each other."""

from unicnn.comparison.result import Comparison, Judgement, Pair, Row
from unicnn.comparison.running import compare

__all__ = ["Comparison", "Judgement", "Pair", "Row", "compare"]
