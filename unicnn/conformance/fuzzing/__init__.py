"""Fuzzing: random networks on every backend, each failure cut down to one layer and written as a reproduction that stands alone."""
