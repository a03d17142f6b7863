"""Layers in NumPy, each with its own backward pass.

An emitted file contains those that its network has, as they stand here.
A layer is called with values and returns one; ``backward(dy)`` takes the gradient of
what it returned, fills ``gradients``, and returns the gradient of each value that it
was called with.
"""
