"""All cases: the settings of each family of the vocabulary, and what is checked of each."""

from unicnn.conformance.cases import activation, conv, linear, loss, merge, norm, pool, shape
from unicnn.conformance.cases.every import cases

SETTINGS = (
    *conv.SETTINGS,
    *pool.SETTINGS,
    *linear.SETTINGS,
    *norm.SETTINGS,
    *activation.SETTINGS,
    *shape.SETTINGS,
    *merge.SETTINGS,
    *loss.SETTINGS,
)
"""Every setting: one op with its fields on inputs of given shapes."""
CASES = tuple(cases(SETTINGS))
"""Every case, those of one setting after each other."""
