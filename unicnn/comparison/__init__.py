"""Comparing backends: layer by layer against the exact result, end to end against each other."""

from unicnn.comparison.running import compare
from unicnn.comparison.result import Comparison, Judgement, Pair, Row

__all__ = ["Comparison", "Judgement", "Pair", "Row", "compare"]
