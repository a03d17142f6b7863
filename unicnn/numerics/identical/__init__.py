"""Identical numerics: the same bits on every backend and device, by sums that are exact and functions of our own."""
